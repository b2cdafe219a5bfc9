import assert from "node:assert/strict";
import { test } from "node:test";
import { choosePause, isStale, noteAnswer, noteFailure, UNSEEN } from "../src/api/looks.ts";
import { readProblem } from "../src/api/problems.ts";

test("a failure keeps the last answer, and the next answer forgets the failure", () => {
  const seen = noteFailure(noteAnswer("a", 1000), "away");
  assert.deepEqual(seen, { value: "a", seenAt: 1000, failure: "away", nFailures: 1 });
  assert.equal(noteAnswer("b", 2000).failure, null);
  assert.equal(noteFailure(UNSEEN, "away").value, undefined);
});

test("pauses grow with failures, and are longer while nobody looks", () => {
  assert.deepEqual([0, 1, 2, 9].map((n) => choosePause(4000, n, false)), [4000, 8000, 16000, 30000]);
  assert.equal(choosePause(4000, 0, true), 24000);
  assert.equal(choosePause(60000, 3, false), 60000);
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
