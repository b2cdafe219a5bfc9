import assert from "node:assert/strict";
import { test } from "node:test";
import { takeEvent, type News, type WorkflowNews, writeList } from "../src/stream/news.ts";
import { EventReader } from "../src/stream/sse.ts";
import { listUnderWay, mergeNews } from "../src/workflow/workflow_rows.ts";

test("events are read however the text is cut, and comments and pauses are none", () => {
  const text = "retry: 2000\n\nid: 1\nevent: list\ndata: {\"a\":\ndata: 1}\n\n: heartbeat\n\nid: 2\nevent: gone\r\ndata: x\r\n\r\n";
  const whole = new EventReader().read(text);
  assert.deepEqual(whole, [{ name: "list", data: '{"a":\n1}', id: "1" }, { name: "gone", data: "x", id: "2" }]);
  for (let cut = 0; cut <= text.length; cut += 1) {
    const reader = new EventReader();
    assert.deepEqual([...reader.read(text.slice(0, cut)), ...reader.read(text.slice(cut))], whole, `cut at ${cut}`);
  }
});

function makeNews(id: string, outcome = ""): WorkflowNews {
  return { workflow_id: id, timestamp: 1, priority: 50, outcome, ended_at: null, inputs_closed: false, has_queues: true, stalled_since: null, problems: [] };
}

test("a list replaces the news, and later events change, add and remove one", () => {
  let news: News = new Map([["old", makeNews("old")]]);
  news = takeEvent(news, { name: "list", data: JSON.stringify({ workflows: [makeNews("a"), makeNews("b")] }) });
  news = takeEvent(news, { name: "workflow", data: JSON.stringify(makeNews("a", "done")) });
  news = takeEvent(news, { name: "workflow", data: JSON.stringify(makeNews("c")) });
  news = takeEvent(news, { name: "gone", data: '{"workflow_id": "b"}' });
  assert.deepEqual([...news.values()].map((each) => [each.workflow_id, each.outcome]), [["a", "done"], ["c", ""]]);
  assert.equal(takeEvent(news, { name: "from the future", data: "{}" }), news);
  assert.deepEqual(takeEvent(new Map(), writeList(news)), news);
});

test("the rows of a list follow the news: changed ones are replaced, new ones added, ended ones not under way", () => {
  const news: News = new Map([["a", makeNews("a", "done")], ["b", { ...makeNews("b"), timestamp: 9 }]]);
  const old = { state: "under way", beganAt: 5, endedAt: null, priority: 50 };
  const rows = mergeNews([{ ...old, id: "a" }, { ...old, id: "c" }], news);
  assert.deepEqual(rows.map((row) => [row.id, row.state]), [["b", "under way"], ["c", "under way"], ["a", "done"]]);
  assert.deepEqual(listUnderWay(news).map((row) => row.id), ["b"]);
});
