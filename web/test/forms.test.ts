import assert from "node:assert/strict";
import { test } from "node:test";
import { askUndrain, describeDrain, sumByPlace, writeDrain } from "../src/operators/places.ts";
import { readFields, readValue } from "../src/processes/form_fields.ts";
import { makeLaunchBody, readSurvey } from "../src/trees/survey.ts";
import { makeTreeParts } from "../src/trees/tree_graph.ts";

const SCHEMA = {
  required: ["name", "site"],
  properties: {
    name: { type: "string", title: "Name", description: "Of the node" },
    site: { $ref: "#/$defs/Site" },
    speed: { anyOf: [{ type: "integer" }, { type: "null" }], default: 10 },
    ok: { type: "boolean", default: true },
    tags: { type: "array" },
    kind: { const: "router" },
  },
  $defs: { Site: { title: "SiteChoice", enum: ["ams-1", "par-1"], type: "string", options: { "ams-1": "Amsterdam" } } },
};

test("each kind of field of a form's schema is found, in its order", () => {
  const fields = readFields(SCHEMA);
  assert.deepEqual(fields.map((each) => [each.name, each.kind, each.isRequired, each.initial]), [
    ["name", "text", true, ""], ["site", "choice", true, ""], ["speed", "number", false, "10"],
    ["ok", "switch", false, true], ["tags", "json", false, ""], ["kind", "fixed", false, "router"],
  ]);
  assert.deepEqual(fields.map((each) => each.title), ["Name", "Site", "Speed", "Ok", "Tags", "Kind"]);
  assert.deepEqual(fields[1]?.choices, [["ams-1", "Amsterdam"], ["par-1", "par-1"]]);
});

test("what a person typed becomes a value, and what cannot be one is said by its title", () => {
  const fields = Object.fromEntries(readFields(SCHEMA).map((each) => [each.name, each]));
  assert.equal(readValue(fields["speed"]!, "7"), 7);
  assert.equal(readValue(fields["speed"]!, ""), undefined);
  assert.deepEqual(readValue(fields["tags"]!, '["a"]'), ["a"]);
  assert.equal(readValue(fields["ok"]!, false), false);
  assert.throws(() => readValue(fields["speed"]!, "fast"), /must be a number/);
  assert.throws(() => readValue(fields["tags"]!, "a b"), /Tags must be JSON/);
});

test("a survey's answers become variables, and a question without an answer is left out", () => {
  const questions = readSurvey({ spec: [
    { variable: "n", type: "integer", default: 3, required: true }, { variable: "pw", type: "password", default: "$encrypted$" },
    { variable: "c", type: "multiplechoice", choices: "a\nb" },
  ] });
  assert.deepEqual(questions.map((each) => each.choices), [[], [], ["a", "b"]]);
  assert.deepEqual(makeLaunchBody(questions, { c: "b" }), { extra_vars: { n: 3, c: "b" } });
  assert.deepEqual(makeLaunchBody(questions, { n: "many" }), { extra_vars: { n: "many" } });
  assert.deepEqual(makeLaunchBody(readSurvey({}), {}), {});
});

test("a tree's nodes say their status and why", () => {
  const node = { id: 1, identifier: "build", name: "make", status: "failed", why: "it failed", job: 3 };
  const parts = makeTreeParts({ nodes: [node], edges: [{ source: 1, target: 1, kind: "failure" }] });
  assert.deepEqual([parts.nodes[0]?.tone, parts.nodes[0]?.lines, parts.nodes[0]?.spoken], ["bad", ["make", "failed"], "Node build, failed. it failed"]);
  assert.equal(parts.edges[0]?.tone, "bad");
});

test("workers are summed by place", () => {
  const one = { schedd: "a", compound_statuses: { RUNNING: { null: 2 } } };
  assert.deepEqual(sumByPlace([one, one]).get("a"), { nTaskforces: 2, idle: 0, running: 4, held: 0, over: 0 });
});

test("a drain says why, and when its workers end if they must", () => {
  assert.deepEqual(writeDrain("new disks", "", 0), { reason: "new disks", workers_end_at: null });
  assert.deepEqual(writeDrain("", "90", 0), { reason: "", workers_end_at: "1970-01-01T01:30:00.000Z" });
  assert.deepEqual(writeDrain("", "0", 0).workers_end_at, "1970-01-01T00:00:00.000Z");
  const drain = { since: "A", reason: "new disks", workers_end_at: null, is_lost: false };
  assert.equal(describeDrain(drain, (instant) => instant), "since A: new disks");
  assert.equal(describeDrain({ ...drain, reason: "", workers_end_at: "B" }, (instant) => instant), "since A; its workers end at B");
});

test("a lost place says that its taskforces end, and that nothing takes their place", () => {
  const lost = { since: "A", reason: "a fire", workers_end_at: "B", is_lost: true };
  assert.equal(describeDrain(lost, (instant) => instant), "since A: a fire; its taskforces end");
  assert.match(askUndrain(lost), /nothing takes the place of those that have ended/);
  assert.match(askUndrain({ ...lost, is_lost: false }), /in the place of those that the drain has stopped/);
});
