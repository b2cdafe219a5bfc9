import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseTone, countOf, describeAge, describeBytes, describeSince, readInstant } from "../src/parts/texts.ts";

test("a duration has its two largest units", () => {
  const cases: Array<[number, string]> = [
    [0, "0 s"], [999, "0 s"], [61_000, "1 min 1 s"], [3_600_000, "1 h"], [3_660_000, "1 h 1 min"],
    [90_061_000, "1 d 1 h"], [86_400_000 + 5_000, "1 d"], [-5, "0 s"],
  ];
  for (const [milliseconds, text] of cases) {
    assert.equal(describeAge(milliseconds), text);
  }
});

test("bytes, counts and instants are written for people", () => {
  assert.deepEqual([12, 2048, 5 * 1024 ** 3].map(describeBytes), ["12 B", "2 KiB", "5 GiB"]);
  assert.deepEqual([countOf(1, "event"), countOf(1234, "event")], ["1 event", "1,234 events"]);
  assert.equal(countOf(2, "process", "processes"), "2 processes");
  assert.equal(readInstant(12.5), 12_500);
  assert.equal(readInstant("1970-01-01T00:00:01Z"), 1000);
  assert.deepEqual([readInstant(null), readInstant(""), readInstant("soon")], [null, null, null]);
  assert.equal(describeSince(10, 70_000), "1 min ago");
});

test("a state has the tone that a person expects", () => {
  assert.deepEqual(["done", "RUNNING", "failed", "suspended", "odd"].map(chooseTone), ["good", "busy", "bad", "warn", ""]);
});
