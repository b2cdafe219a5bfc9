import assert from "node:assert/strict";
import { test } from "node:test";
import { LaterScript, type ScriptState } from "../src/parts/later_script.ts";

test("who watches before the script comes is told that it came", async () => {
  const script = new LaterScript(async () => "part");
  const told: ScriptState[] = [];
  script.watch((state) => told.push(state));
  await script.fetch();
  assert.deepEqual(told, ["coming", "here"]);
});

test("who watches after the script came is told at once", async () => {
  const script = new LaterScript(async () => "part");
  await script.fetch();
  const told: ScriptState[] = [];
  script.watch((state) => told.push(state));
  assert.deepEqual([told, script.content], [["here"], "part"]);
});

test("a script that failed is fetched again, and one that came is not", async () => {
  const answers = [Promise.reject(new Error("away")), Promise.resolve("part"), Promise.resolve("another")];
  const script = new LaterScript(() => answers.shift() as Promise<string>);
  const told: ScriptState[] = [];
  const stop = script.watch((state) => told.push(state));
  await script.fetch();
  await script.fetch();
  stop();
  await script.fetch();
  assert.deepEqual([told, script.content], [["coming", "failed", "coming", "here"], "part"]);
});
