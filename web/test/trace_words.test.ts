import assert from "node:assert/strict";
import { test } from "node:test";
import { describeGeneration, describeState } from "../src/workflow/trace_words.ts";

test("an event is named by its way to the traced one", () => {
  assert.deepEqual([-2, -1, 0, 1, 3].map(describeGeneration), ["Parent, 2 steps away", "Parent", "This event", "Child", "Child, 3 steps away"]);
});

test("a state says what is known, and what is not", () => {
  assert.match(describeState({ state: "dead", generation: 0, dead_letter: null }), /replayed or discarded/);
  assert.match(describeState({ state: "dead", generation: 1, dead_letter: null }), /failed for good/);
  assert.match(describeState({ state: "unreported", generation: 0, dead_letter: null }), /or never was/);
});
