import assert from "node:assert/strict";
import { test } from "node:test";
import { describeChanges, nameObject, writeAuditQuery } from "../src/operators/audit_rows.ts";

const WISH = { who: "", did: "", kind: "", since: "", before: "", pageSize: 50 };

test("a page of the audit log asks for what was chosen, the newest first", () => {
  assert.equal(writeAuditQuery(WISH), "limit=50");
  const query = new URLSearchParams(writeAuditQuery({ ...WISH, who: "ada", did: "delete", kind: "schedule", since: "2026-11-30T07:00", before: "70" }));
  assert.equal(query.get("who"), "ada");
  assert.equal(query.get("before"), "70");
  assert.equal(query.get("since"), new Date("2026-11-30T07:00").toISOString());
  assert.equal(new URLSearchParams(writeAuditQuery({ ...WISH, since: "nonsense" })).has("since"), false);
});

test("a row names its objects and its changes", () => {
  assert.equal(nameObject({ kind: "workflow_job_template_node", name: "deploy", object_id: 8 }), "workflow job template node deploy");
  assert.equal(nameObject({ kind: "workflow", name: "", object_id: "WF-1" }), "workflow WF-1");
  assert.equal(describeChanges({ name: ["a", "b"], success_nodes: "deploy", limit: ["", "web"], work: { kind: "fleet" } }), 'name: a → b; success nodes: deploy; limit: nothing → web; work: {"kind":"fleet"}');
});
