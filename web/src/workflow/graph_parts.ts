/** Make the boxes and lines of a workflow's graph from what the gateway says of it. (core) */

import type { GraphTask, QueueDepth, WorkflowGraph } from "../api/generated/ewms.ts";
import type { GraphEdge, GraphNode } from "../graph/layout.ts";
import { countOf, describeNumber, type Tone } from "../parts/texts.ts";

/** Stands where the number of events will: as wide as most numbers, so that no box moves when they come. */
const UNCOUNTED = "…";

/**
 * Return a box for each task, and a stub for each end of a public queue where users publish or fetch. If the queues are
 * not counted yet, their lines say so.
 */
export function makeGraphParts(graph: WorkflowGraph, isCounted = true): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const depths = new Map(graph.queues.map((queue) => [queue.mqid, queue]));
  const nodes: GraphNode[] = graph.tasks.map(describeTask);
  const edges: GraphEdge[] = [];
  const joints = new Set(graph.joints ?? []);
  const describe = (depth: QueueDepth | undefined): string => (isCounted ? describeDepth(depth) : UNCOUNTED);
  for (const edge of graph.edges) {
    if (joints.has(edge.mqid)) {
      nodes.push({ id: edge.mqid, title: edge.alias, lines: [], tone: "", isStub: true, spoken: `Queue ${edge.alias} between many tasks` });
    }
    const depth = depths.get(edge.mqid);
    const isIn = edge.source === null;
    const isOut = edge.target === null;
    // One shared stub would pull all queues to one point, so each queue has its own.
    const stub = `stub:${edge.mqid}:${isIn ? "in" : "out"}`;
    if (isIn || isOut) {
      const spoken = `Public queue ${edge.alias}: ${isIn ? "you publish here" : "you fetch results here"}. ${isCounted ? describeDepth(depth) : "Not counted yet"}`;
      nodes.push({ id: stub, title: edge.alias, lines: [], tone: "", isStub: true, spoken });
    }
    edges.push({
      source: edge.source ?? stub,
      target: edge.target ?? stub,
      label: isIn || isOut ? describe(depth) : [edge.is_public ? edge.alias : "", describe(depth)].filter(Boolean).join(": "),
      tone: depth && (depth.n_unacknowledged > 0 || (depth.n_ready > 0 && !isOut)) ? "busy" : "",
    });
  }
  return { nodes: dropRepeated(nodes), edges };
}

export function describeTask(task: GraphTask): GraphNode {
  const workers = task.workers;
  const lines = [describeWorkers(task)];
  if (workers.n_held) {
    lines.push(`${countOf(workers.n_held, "worker")} held`);
  }
  return {
    id: task.task_id,
    title: task.name,
    lines,
    tone: chooseTaskTone(task),
    spoken: `Task ${task.name}, ${lines.join(", ")}${task.problem ? `. ${task.problem}` : ""}`,
  };
}

function describeWorkers(task: GraphTask): string {
  const { n_wanted: wanted, n_running: running, n_idle: idle } = task.workers;
  if (!wanted && !running && !idle) {
    return "no workers";
  }
  const waiting = idle ? `, ${describeNumber(idle)} waiting` : "";
  return `${describeNumber(running)} of ${countOf(Math.max(wanted, running), "worker")}${waiting}`;
}

export function chooseTaskTone(task: GraphTask): Tone {
  if (task.problem || task.workers.n_held) {
    return "bad";
  }
  return task.workers.n_taking ? "busy" : task.workers.n_running ? "good" : "";
}

/** Return how many events a queue has, by what they wait for. */
export function describeDepth(depth: QueueDepth | undefined): string {
  if (!depth) {
    return "";
  }
  const counts: ReadonlyArray<readonly [number, string]> = [
    [depth.n_ready, "ready"],
    [depth.n_unacknowledged, "in work"],
    [depth.n_delayed, "put off"],
  ];
  const told = counts.filter(([n]) => n > 0).map(([n, word]) => `${describeNumber(n)} ${word}`);
  return told.join(", ") || "empty";
}

function dropRepeated(nodes: readonly GraphNode[]): GraphNode[] {
  return [...new Map(nodes.map((node) => [node.id, node])).values()];
}
