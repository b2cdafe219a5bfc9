import assert from "node:assert/strict";
import { test } from "node:test";
import { choosePause, isSameAnswer, isStale, noteAnswer, noteFailure, UNSEEN } from "../src/api/looks.ts";
import { readProblem } from "../src/api/problems.ts";

test("a failure keeps the last answer, and the next answer forgets the failure", () => {
  const seen = noteFailure(noteAnswer("a", 1000), "away");
  assert.deepEqual(seen, { value: "a", seenAt: 1000, failure: "away", nFailures: 1, nSame: 0 });
  assert.equal(noteAnswer("b", 2000).failure, null);
  assert.equal(noteFailure(UNSEEN, "away").value, undefined);
});

test("pauses grow with failures, and are longer while nobody looks", () => {
  assert.deepEqual([0, 1, 2, 9].map((nFailures) => choosePause(4000, { nFailures, nSame: 0 }, false)), [4000, 8000, 16000, 30000]);
  assert.equal(choosePause(4000, { nFailures: 0, nSame: 0 }, true), 24000);
  assert.equal(choosePause(60000, { nFailures: 3, nSame: 9 }, false), 60000);
});

test("pauses grow while the answer stays the same, but what is shown never gets old by that", () => {
  assert.deepEqual([0, 2, 3, 4, 5, 99].map((nSame) => choosePause(4000, { nFailures: 0, nSame }, false)), [4000, 4000, 6000, 9000, 10000, 10000]);
  assert.equal(choosePause(15000, { nFailures: 0, nSame: 9 }, false), 15000);
  for (const intervalMs of [1000, 4000, 6000, 8000, 15000]) {
    assert.equal(isStale(noteAnswer(1, 1), 1 + choosePause(intervalMs, { nFailures: 0, nSame: 99 }, false), intervalMs), false);
  }
});

test("the same answer again is counted, and another one begins the count anew", () => {
  const [graph, rest] = [{}, {}];
  const first = noteAnswer({ graph, rest }, 1000);
  const second = noteAnswer({ graph, rest }, 2000, first);
  assert.deepEqual([first.nSame, second.nSame], [0, 1]);
  assert.equal(noteAnswer({ graph: {}, rest }, 3000, second).nSame, 0);
  assert.equal(noteAnswer(undefined, 1000).nSame, 0);
  assert.equal(isSameAnswer([graph], [graph, rest]), false);
  assert.equal(isSameAnswer(null, {}), false);
  assert.equal(isSameAnswer("a", "a"), true);
});

test("an answer is old after 15 seconds, or after two looks if these are rarer", () => {
  const look = noteAnswer(1, 10_000);
  assert.equal(isStale(look, 25_000, 4000), false);
  assert.equal(isStale(look, 25_001, 4000), true);
  assert.equal(isStale(look, 60_000, 30_000), false);
  assert.equal(isStale(UNSEEN, 60_000, 4000), false);
});

test("each dialect's refusal is read in its own words", () => {
  const cases: Array<[number, unknown, string, boolean]> = [
    [403, { code: 403, error: "authentication failed" }, "authentication failed", true],
    [403, { code: 403, error: "authorization failed" }, "authorization failed", false],
    [401, { detail: "token expired" }, "token expired", true],
    [400, { name: ["This field is required."], limit: ["too long"] }, "name: This field is required.; limit: too long", false],
    [503, null, "A service that this needs does not answer now.", false],
    [418, {}, "The server answered 418.", false],
  ];
  for (const [status, body, text, isTokenRefused] of cases) {
    assert.deepEqual(readProblem(status, body), { text, hint: "", isTokenRefused });
  }
});
