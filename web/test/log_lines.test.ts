import assert from "node:assert/strict";
import { test } from "node:test";
import { joinLogLines, type LogPiece } from "../src/catalogue/log_lines.ts";

function write(host: string, stream: string, text: string): LogPiece {
  return { host, task: 1, attempt: 1, stream, text };
}

const PIECES = [
  write("alpha", "stdout", "one\ntw"),
  write("alpha", "stderr", "oops\n"),
  write("beta", "stdout", "other"),
  write("alpha", "stdout", "o\n"),
];

test("lines of several streams stay whole, and the last one needs no end", () => {
  assert.equal(joinLogLines(PIECES, false), "one\noops\ntwo\nother\n");
});

test("each line names its host", () => {
  assert.equal(joinLogLines(PIECES, true), "alpha: one\nalpha: oops\nalpha: two\nbeta: other\n");
});
