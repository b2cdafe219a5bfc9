import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLines, MAX_EVENT_BYTES, MAX_EVENTS_AT_ONCE } from "../src/workflow/event_lines.ts";

test("lines that are right make one request, without the empty ones", () => {
  const checked = checkLines('\ufeff{"id": 1}\r\n\n"two\u2028"\n', "");
  assert.deepEqual([checked.nEvents, checked.nFaults], [2, 0]);
  assert.deepEqual(checked.batches, [{ lines: '{"id": 1}\n"two\u2028"', nEvents: 2 }]);
});

test("each faulty line is named by its number, with the rule and the remedy", () => {
  const checked = checkLines('1\n\nx\n{"name": 1}\n[1]\nNaN', "id");
  assert.deepEqual(checked.faults.map((fault) => fault.line), [1, 3, 4, 5, 6]);
  assert.match(checked.faults[1]?.text ?? "", /is not JSON \(.*Write one JSON value/);
  assert.match(checked.faults[2]?.text ?? "", /has no field “id” for its key. Its fields: name/);
  assert.equal(checked.nEvents, 5);
});

test("an event has a limit in bytes, not in characters", () => {
  const text = "ä".repeat(MAX_EVENT_BYTES / 2);
  assert.match(checkLines(JSON.stringify(text), "").faults[0]?.text ?? "", /has 4194306 bytes; an event has at most 4194304/);
  assert.equal(checkLines(JSON.stringify(text.slice(2)), "").nFaults, 0);
});

test("many faults are counted and the first are told", () => {
  const checked = checkLines("x\n".repeat(100), "");
  assert.deepEqual([checked.nFaults, checked.faults.length], [100, 20]);
});

test("many or large events make several requests", () => {
  assert.deepEqual(checkLines("1\n".repeat(MAX_EVENTS_AT_ONCE + 1), "").batches.map((each) => each.nEvents), [MAX_EVENTS_AT_ONCE, 1]);
  const large = JSON.stringify("x".repeat(3 * 1024 * 1024));
  assert.deepEqual(checkLines(`${large}\n${large}\n${large}`, "").batches.map((each) => each.nEvents), [2, 1]);
});
