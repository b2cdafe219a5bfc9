import assert from "node:assert/strict";
import { test } from "node:test";
import { addRate } from "../src/home/throughput.ts";
import { drawLines } from "../src/workflow/history_lines.ts";
import { describeHandled } from "../src/workflow/letters_handled.ts";
import { countWorkers, listHoldReasons } from "../src/workflow/worker_counts.ts";
import { nameState, readWorkflowRows } from "../src/workflow/workflow_rows.ts";

test("workers are counted by what they do, and holds by their reason", () => {
  const all = [
    { IDLE: { null: 2 }, RUNNING: { Tasking: 3, null: 1 }, "HELD: no memory": { null: 4 } },
    { "HELD: no memory": { null: 1 }, HELD: { null: 2 }, COMPLETED: { Done: 5 } },
  ];
  assert.deepEqual(countWorkers(all), { idle: 2, running: 4, held: 7, over: 5 });
  assert.deepEqual(listHoldReasons(all), [["no memory", 5], ["no reason given", 2]]);
});

test("the rate counts workflows that both looks have seen, and is never below 0", () => {
  const before = { at: 1000, done: new Map([["a", 10], ["b", 50]]) };
  const now = { at: 3000, done: new Map([["a", 30], ["b", 40], ["c", 99]]) };
  assert.deepEqual(addRate([], before, now), [{ at: 3000, rate: 10 }]);
  assert.deepEqual(addRate([], null, now), []);
  assert.deepEqual(addRate([], now, now), []);
});

test("each queue has a line over all times, with a gap where it was not counted", () => {
  const points = (at_s: number[], n: number) => ({ at_s, n_ready: at_s.map(() => n), n_unacknowledged: at_s.map(() => 1), n_delayed: [], oldest_s: [9, 9], in_per_s: [2, 2], out_per_s: [3, 3] });
  const histories = { queues: [{ mqid: "q1", alias: "a", points: points([10, 20], 2) }, { mqid: "q2", alias: "", points: points([20, 30], 4) }] } as never;
  const depth = drawLines(histories, "depth");
  assert.deepEqual(depth.times, [10, 20, 30]);
  assert.deepEqual(depth.series.map((each) => [each.name, each.values]), [["a", [3, 3, null]], ["q2", [null, 5, 5]]]);
  assert.deepEqual((["in", "out", "oldest"] as const).map((kind) => drawLines(histories, kind).series[0]?.values[0]), [2, 3, 9]);
});

test("workflows come newest first, with the state in words", () => {
  const found = { workflows: [{ workflow_id: "1", timestamp: 1, deactivated: null }, { workflow_id: "2", timestamp: 2, deactivated: "ABORTED", outcome: "aborted" }], next_after: null };
  assert.deepEqual(readWorkflowRows(found as never).map((row) => [row.id, row.state]), [["2", "aborted"], ["1", "under way"]]);
  assert.equal(nameState("FINISHED", null), "finished");
});

test("what came of letters says what was left, refused or stopped", () => {
  const one = { n_done: 200, n_missing: 0, n_left: 0 };
  assert.equal(describeHandled([one as never], "discarded"), "200 events discarded.");
  const refused = { ...one, n_done: 0, n_left: 3, n_refused: 2, refused: "no JSON" };
  assert.equal(describeHandled([one, refused] as never, "discarded"), "200 events discarded. 2 events refused: no JSON. 3 events left.");
});
