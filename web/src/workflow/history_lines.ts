/** The lines of a plot of queues over time. (core) */

import type { QueueHistories, QueuePoints } from "../api/generated/ewms.ts";
import type { Series } from "../parts/plot.tsx";

export const KINDS = {
  depth: "Events that wait or are in work",
  in: "Events arriving a second",
  out: "Events leaving a second",
  oldest: "Age of the oldest event in seconds",
} as const;

export type Kind = keyof typeof KINDS;

const COLORS = ["--accent", "--good", "--warn", "--bad", "--quiet"];

export interface Lines {
  /** In seconds. */
  times: number[];
  series: Series[];
}

/** Return one line for each queue, over the times of all. A queue has no value at a time at which it was not counted. */
export function drawLines(histories: QueueHistories, kind: Kind): Lines {
  const queues = histories.queues.map((queue) => ({ ...queue, points: fillColumns(queue.points) }));
  const times = [...new Set(queues.flatMap((queue) => queue.points.at_s))].sort((one, other) => one - other);
  const series = queues.map((queue, place) => {
    const values = new Map(queue.points.at_s.map((at, row) => [at, readPoint(queue.points, kind, row)]));
    return {
      name: queue.alias || queue.mqid,
      values: times.map((at) => values.get(at) ?? null),
      color: COLORS[place % COLORS.length] ?? "--accent",
    };
  });
  return { times, series };
}

/** Return `points` with all columns: a document may leave one out that has its default. */
function fillColumns(points: QueuePoints): Required<QueuePoints> {
  const none = { at_s: [], n_ready: [], n_unacknowledged: [], n_delayed: [], n_consumers: [], oldest_s: [], in_per_s: [], out_per_s: [] };
  return { ...none, ...points };
}

function readPoint(points: Required<QueuePoints>, kind: Kind, row: number): number {
  switch (kind) {
    case "in":
      return points.in_per_s[row] ?? 0;
    case "out":
      return points.out_per_s[row] ?? 0;
    case "oldest":
      return points.oldest_s[row] ?? 0;
    default:
      return (points.n_ready[row] ?? 0) + (points.n_unacknowledged[row] ?? 0) + (points.n_delayed[row] ?? 0);
  }
}
