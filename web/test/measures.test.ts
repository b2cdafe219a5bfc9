import { strict as assert } from "node:assert";
import { test } from "node:test";
import { describeMeasure } from "../src/workflow/measures.ts";

test("a figure has its unit, a share is a percentage, and an unknown figure says so", () => {
  const cases: Array<[number | null, string, string]> = [
    [null, "h", "unknown"],
    [0, "h", "0 h"],
    [1234, "events", "1,234 events"],
    [0.01234, "h", "0.0123 h"],
    [0.256, "share of the workers' time", "25.6%"],
  ];
  for (const [value, unit, text] of cases) {
    assert.equal(describeMeasure({ value, unit, how: "" }), text);
  }
});
