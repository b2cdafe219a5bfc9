import assert from "node:assert/strict";
import { test } from "node:test";
import { describeDone, describeGeneration, describeState } from "../src/workflow/trace_words.ts";

test("an event is named by its way to the traced one", () => {
  assert.deepEqual([-2, -1, 0, 1, 3].map(describeGeneration), ["Parent, 2 steps away", "Parent", "This event", "Child", "Child, 3 steps away"]);
});

test("a state says what is known, and what is not", () => {
  assert.match(describeState({ state: "dead", generation: 0, dead_letter: null }), /replayed or discarded/);
  assert.match(describeState({ state: "dead", generation: 1, dead_letter: null }), /failed for good/);
  assert.match(describeState({ state: "unreported", generation: 0, dead_letter: null }), /waits or is in work/);
});

test("each part of an attempt has its time; the wait in the queue only if the publisher told it", () => {
  const at = (s: string): string => `2026-11-30T08:00:${s}+00:00`;
  const done = { published_at: at("00.000"), taken_at: at("02.500"), started_at: at("02.600"), ended_at: at("04.000"), acknowledged_at: at("04.010") };
  assert.equal(describeDone(done), "in the queue 2.500 s, in the worker 0.100 s, ran 1.400 s, acknowledged 0.010 s later");
  assert.match(describeDone({ ...done, published_at: null }), /^in the worker/);
});
