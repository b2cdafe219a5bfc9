import assert from "node:assert/strict";
import { test } from "node:test";
import { drawCurve, nameShape, placeGraph } from "../src/graph/layout.ts";
import { fitDrawing, pan, zoom } from "../src/graph/viewport.ts";
import { makeGraphParts } from "../src/workflow/graph_parts.ts";
import type { WorkflowGraph } from "../src/api/generated/ewms.ts";

const workers = { n_wanted: 2, n_idle: 1, n_running: 1, n_taking: 1, n_held: 0, n_gone: 0 };

function makeGraph(): WorkflowGraph {
  const task = { task_id: "T1", name: "reco", task_image: "i", input_queues: ["q1"], output_queues: ["q2"], phases: {}, workers };
  const depth = { n_ready: 3, n_unacknowledged: 1, n_delayed: 0, n_consumers: 1, n_arrived: 4, n_replayed: 0, n_gone: 0, may_grow: false };
  return {
    workflow_id: "WF-1",
    tasks: [task],
    edges: [
      { mqid: "q1", alias: "photons", is_public: true, source: null, target: "T1" },
      { mqid: "q2", alias: "results", is_public: true, source: "T1", target: null },
    ],
    queues: [
      { mqid: "q1", alias: "photons", is_public: true, ...depth },
      { mqid: "q2", alias: "results", is_public: true, ...depth, n_ready: 0, n_unacknowledged: 0 },
    ],
    n_dead: 0,
  } as WorkflowGraph;
}

test("a public queue has a stub where users publish or fetch, and its line says what waits", () => {
  const { nodes, edges } = makeGraphParts(makeGraph());
  assert.deepEqual(nodes.map((node) => [node.id, node.isStub ?? false]), [["T1", false], ["stub:q1:in", true], ["stub:q2:out", true]]);
  assert.deepEqual(edges.map((edge) => [edge.source, edge.target, edge.label, edge.tone]), [
    ["stub:q1:in", "T1", "3 ready, 1 in work", "busy"],
    ["T1", "stub:q2:out", "empty", ""],
  ]);
});

test("before the queues are counted, the lines say so, and no box moves when the counts come", () => {
  const uncounted = makeGraphParts({ ...makeGraph(), queues: [] } as WorkflowGraph, false);
  assert.deepEqual(uncounted.edges.map((edge) => [edge.label, edge.tone]), [["…", ""], ["…", ""]]);
  assert.match(uncounted.nodes[1]!.spoken, /Not counted yet/);
  const counted = makeGraph();
  counted.queues.forEach((queue) => Object.assign(queue, { n_ready: 0, n_unacknowledged: 0 }));
  const parts = makeGraphParts(counted);
  assert.deepEqual(parts.edges.map((edge) => edge.label), ["empty", "empty"]);
  assert.equal(nameShape(uncounted.nodes, uncounted.edges), nameShape(parts.nodes, parts.edges));
});

test("a task with a problem or held workers looks bad", () => {
  const graph = makeGraph();
  graph.tasks[0]!.workers = { ...workers, n_held: 2 };
  assert.equal(makeGraphParts(graph).nodes[0]?.tone, "bad");
});

test("boxes follow the direction of the events, without overlap", () => {
  const { nodes, edges } = makeGraphParts(makeGraph());
  const placed = placeGraph(nodes, [...edges, { source: "T1", target: "nowhere", label: "", tone: "" }]);
  const x = Object.fromEntries(placed.nodes.map((node) => [node.id, node.x]));
  assert.ok(x["stub:q1:in"]! < x["T1"]! && x["T1"]! < x["stub:q2:out"]!);
  assert.equal(placed.edges.length, 2);
  assert.ok(placed.width > 0 && placed.edges.every((edge) => edge.path.startsWith("M")));
  assert.equal(drawCurve([]), "");
});

test("zooming keeps the point under the pointer, and panning there and back changes nothing", () => {
  const view = { x: 10, y: 20, scale: 2 };
  const zoomed = zoom(view, 1.5, 100, 50);
  assert.ok(Math.abs(zoomed.x + 100 / zoomed.scale - (view.x + 100 / view.scale)) < 1e-9);
  assert.deepEqual(pan(pan(view, 30, -10), -30, 10), view);
  assert.equal(zoom(view, 1000, 0, 0).scale, 4);
  assert.deepEqual(fitDrawing({ width: 0, height: 0 }, { width: 10, height: 10 }), { x: 0, y: 0, scale: 1 });
  assert.equal(fitDrawing({ width: 1000, height: 100 }, { width: 500, height: 500 }).scale, 0.5);
});
