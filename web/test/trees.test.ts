import assert from "node:assert/strict";
import { test } from "node:test";
import { makeEditedParts, type TemplateNode } from "../src/trees/editor/tree_parts.ts";
import { suggestStart, writeRule } from "../src/trees/schedules/rule.ts";
import { makeLaunchBody, readSurvey } from "../src/trees/survey.ts";

function makeNode(id: number, more: Partial<TemplateNode> = {}): TemplateNode {
  const lists = { success_nodes: [], failure_nodes: [], always_nodes: [] };
  return { id, identifier: `n${id}`, unified_job_template: null, all_parents_must_converge: false, summary_fields: {}, ...lists, ...more };
}

test("a template's graph has a line for each edge, and says when a node with several parents begins", () => {
  const build = { unified_job_template: { id: 4, name: "build", unified_job_type: "job" } };
  const sign = { unified_job_template: { id: 5, name: "Sign it", unified_job_type: "workflow_approval" } };
  const { nodes, edges } = makeEditedParts(
    [
      makeNode(1, { identifier: "build", summary_fields: build, success_nodes: [3] }),
      makeNode(2, { failure_nodes: [3], always_nodes: [4] }),
      makeNode(3, { all_parents_must_converge: true, summary_fields: sign }),
      makeNode(4),
    ],
    null,
  );
  assert.deepEqual(nodes.map((node) => node.lines), [[], ["runs nothing"], ["approval: Sign it", "waits for all parents"], ["runs nothing"]]);
  assert.deepEqual(edges.map((edge) => [edge.source, edge.target, edge.label, edge.tone]), [
    ["1", "3", "success", "good"],
    ["2", "3", "failure", "bad"],
    ["2", "4", "always", ""],
  ]);
});

test("a refused edge is drawn with the rule that it breaks, beside the edges that exist", () => {
  const nodes = [makeNode(1, { success_nodes: [2] }), makeNode(2)];
  const refusal = { source: 2, target: 1, kind: "always" as const, rule: "cycle", text: "" };
  assert.deepEqual(makeEditedParts(nodes, refusal).edges.at(-1), { source: "2", target: "1", label: "refused: cycle", tone: "bad", isRefused: true });
  assert.equal(makeEditedParts(nodes, { ...refusal, rule: "" }).edges.at(-1)?.label, "refused");
});

test("a rule has its start in its zone, and a suggested start is a full hour", () => {
  const fields = { start: "2026-12-01T02:30", zone: "Europe/Berlin", frequency: "DAILY" as const, interval: 2 };
  assert.equal(writeRule(fields), "DTSTART;TZID=Europe/Berlin:20261201T023000 RRULE:FREQ=DAILY;INTERVAL=2");
  assert.equal(writeRule({ ...fields, start: "2026-12-01T02:30:07" }).slice(0, 42), "DTSTART;TZID=Europe/Berlin:20261201T023007");
  assert.match(suggestStart(Date.UTC(2026, 10, 30, 7, 1)), /^2026-11-30T\d\d:00$/);
});

test("several answers to one question become a list", () => {
  const questions = readSurvey({ spec: [{ variable: "sites", type: "multiselect", choices: "a\nb\nc", default: "a" }, { variable: "n", type: "integer" }] });
  assert.deepEqual(makeLaunchBody(questions, { sites: "a\nc", n: "3" }), { extra_vars: { sites: ["a", "c"], n: 3 } });
  assert.deepEqual(makeLaunchBody(questions, {}), { extra_vars: { sites: ["a"] } });
  assert.deepEqual(makeLaunchBody([], {}), {});
});
