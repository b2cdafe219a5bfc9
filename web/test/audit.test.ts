import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuditRow, describeChanges, nameObjects, writeAuditQuery } from "../src/operators/audit_rows.ts";

const WISH = { who: "", did: "", kind: "", since: "", page: 1, pageSize: 50 };

test("a page of the audit log asks for what was chosen, the newest first", () => {
  assert.equal(writeAuditQuery(WISH), "order_by=-id&page=1&page_size=50");
  const query = new URLSearchParams(writeAuditQuery({ ...WISH, who: "ada", did: "delete", kind: "schedule", since: "2026-11-30T07:00" }));
  assert.equal(query.get("actor__username"), "ada");
  assert.equal(query.get("timestamp__gte"), new Date("2026-11-30T07:00").toISOString());
  assert.equal(new URLSearchParams(writeAuditQuery({ ...WISH, since: "nonsense" })).has("timestamp__gte"), false);
});

test("a row names its objects and its changes", () => {
  const row = { object_type: "workflow_job_template_node", summary_fields: { actor: { username: "ada" }, workflow_job_template_node: [{ id: 8, name: "deploy" }] } };
  assert.equal(nameObjects(row as unknown as AuditRow), "workflow job template node deploy");
  assert.equal(nameObjects({ object_type: "workflow_job", summary_fields: {} } as unknown as AuditRow), "workflow job");
  assert.equal(describeChanges({ name: ["a", "b"], success_nodes: "deploy", limit: ["", "web"], work: { kind: "fleet" } }), 'name: a → b; success nodes: deploy; limit: nothing → web; work: {"kind":"fleet"}');
});
