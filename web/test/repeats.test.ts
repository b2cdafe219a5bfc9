import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiClient, ApiError } from "../src/api/client.ts";
import { REPEAT_MS, Repeats } from "../src/api/repeats.ts";

function makeRepeats(): Repeats {
  let n = 0;
  return new Repeats(() => `key ${(n += 1)}`);
}

test("a request keeps its key until an answer is clear", () => {
  for (const [status, next] of [[0, "key 1"], [503, "key 1"], [200, "key 2"], [409, "key 2"], [510, "key 2"]] as const) {
    const repeats = makeRepeats();
    assert.equal(repeats.chooseKey("launch", 0), "key 1");
    repeats.noteStatus("launch", status);
    assert.equal(repeats.chooseKey("launch", 1000), next, `after ${status}`);
  }
});

test("another request, and the same one long after, has a key of its own", () => {
  const repeats = makeRepeats();
  assert.deepEqual(["one", "two", "one"].map((what) => repeats.chooseKey(what, 0)), ["key 1", "key 2", "key 1"]);
  assert.equal(repeats.chooseKey("one", REPEAT_MS + 1), "key 3");
});

test("a second click after a lost answer, and a double click, send the key of the first", async (context) => {
  const keys: string[] = [];
  const answers = ["lost", 503, 200, 200, 200];
  context.mock.method(globalThis, "fetch", async (_: string, init: RequestInit): Promise<Response> => {
    keys.push(new Headers(init.headers).get("Idempotency-Key") ?? "none");
    const answer = answers[keys.length - 1];
    if (answer === "lost") {
      throw new TypeError("network");
    }
    return new Response("{}", { status: Number(answer), headers: { "content-type": "application/json" } });
  });
  const api = new ApiClient(() => "", () => {});
  const add = (): Promise<unknown> => api.send("POST", "/add-workers", { n_workers: 5 });
  await assert.rejects(add(), ApiError);
  await assert.rejects(add(), ApiError);
  await add();
  await Promise.all([add(), add()]);
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.notEqual(keys[3], keys[0]);
  assert.equal(keys[4], keys[3]);
});
