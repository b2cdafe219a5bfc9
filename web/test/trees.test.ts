import assert from "node:assert/strict";
import { test } from "node:test";
import { APPROVAL, changesNothing, listOfferedPrompts, type NodeFields, NOTHING, readNodeFields, writeNodeChange } from "../src/trees/editor/node_fields.ts";
import { makeEditedParts, type TemplateNode } from "../src/trees/editor/tree_parts.ts";
import { suggestStart, writeRule } from "../src/trees/schedules/rule.ts";
import { makeLaunchBody, readSurvey } from "../src/trees/survey.ts";

function makeNode(id: number, more: Partial<TemplateNode> = {}): TemplateNode {
  const lists = { success_nodes: [], failure_nodes: [], always_nodes: [] };
  const given = { extra_data: {}, limit: "", scm_branch: "", job_tags: "", skip_tags: "", timeout: null };
  return { id, identifier: `n${id}`, unified_job_template: null, all_parents_must_converge: false, summary_fields: {}, ...lists, ...given, ...more };
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

test("a refused change of a node is drawn in its box", () => {
  const nodes = [makeNode(1, { success_nodes: [2] }), makeNode(2)];
  const parts = makeEditedParts(nodes, { node: 2, rule: "recursion", text: "" });
  assert.deepEqual(parts.nodes.map((node) => [node.lines.at(-1), node.tone]), [["runs nothing", ""], ["refused: recursion", "bad"]]);
  assert.equal(parts.edges.length, 1);
  assert.match(makeEditedParts(nodes, { node: 1, rule: "", text: "" }).nodes[0]?.spoken ?? "", /, refused$/);
});

const BUILD = { unified_job_template: { id: 4, name: "build", unified_job_type: "job" } };
const SIGN = { unified_job_template: { id: 5, name: "Sign it", unified_job_type: "workflow_approval" } };

test("the form of a node shows what it runs, its variables and its prompts", () => {
  const build = readNodeFields(makeNode(1, { unified_job_template: 4, summary_fields: BUILD, extra_data: { n: 3 }, limit: "web" }), null);
  assert.deepEqual([build.runs, build.variables, build.limit, build.timeout], ["4", '{\n  "n": 3\n}', "web", "0"]);
  const sign = readNodeFields(makeNode(2, { unified_job_template: 5, summary_fields: SIGN }), { name: "Sign it", timeout: 60 });
  assert.deepEqual([sign.runs, sign.approval, sign.timeout, sign.variables], [APPROVAL, "Sign it", "60", ""]);
  assert.equal(readNodeFields(makeNode(3), null).runs, NOTHING);
});

test("of a changed node only what differs is sent", () => {
  const ofTemplate = readNodeFields(makeNode(1, { unified_job_template: 4, summary_fields: BUILD, job_tags: "a" }), null);
  const ofApproval = readNodeFields(makeNode(2, { unified_job_template: 5, summary_fields: SIGN }), { name: "Sign it", timeout: 60 });
  const rows: Array<[NodeFields, Partial<NodeFields>, Record<string, unknown>, unknown]> = [
    [ofTemplate, {}, {}, null],
    [ofTemplate, { identifier: "compile" }, { identifier: "compile" }, null],
    [ofTemplate, { jobTimeout: "60" }, { timeout: 60 }, null],
    [{ ...ofTemplate, jobTimeout: "60" }, { jobTimeout: "" }, { timeout: null }, null],
    [ofTemplate, { runs: "9", variables: "n: 4" }, { unified_job_template: 9, extra_data: "n: 4" }, null],
    [ofTemplate, { runs: NOTHING, job_tags: "" }, { unified_job_template: null, job_tags: "" }, null],
    // A new approval has the node's name unless it gets one.
    [ofTemplate, { runs: APPROVAL }, {}, { name: "n1", timeout: 0 }],
    [ofTemplate, { identifier: "sign", runs: APPROVAL, approval: "Sign", timeout: "5" }, { identifier: "sign" }, { name: "Sign", timeout: 5 }],
    [ofApproval, { identifier: "sign" }, { identifier: "sign" }, null],
    [ofApproval, { timeout: "0" }, {}, { timeout: 0 }],
    [ofApproval, { approval: "" }, {}, { name: "n2" }],
    [ofApproval, { runs: "4", timeout: "5" }, { unified_job_template: 4 }, null],
  ];
  for (const [before, typed, fields, approval] of rows) {
    const change = writeNodeChange(before, { ...before, ...typed });
    assert.deepEqual(change, { fields, approval });
    assert.equal(changesNothing(change), Object.keys(typed).length === 0);
  }
});

test("a node offers the prompts for which its template asks, and those that it has", () => {
  const of = (runs: string): NodeFields => ({ ...readNodeFields(makeNode(1, { limit: "web" }), null), runs });
  const asks = { id: 4, name: "build", ask_tags_on_launch: true, ask_scm_branch_on_launch: false };
  assert.deepEqual(listOfferedPrompts(of("4"), asks), ["limit", "job_tags"]);
  assert.deepEqual(listOfferedPrompts(of("4"), undefined), ["limit", "scm_branch", "job_tags", "skip_tags"]);
  assert.deepEqual(listOfferedPrompts(of(NOTHING), undefined), ["limit"]);
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
