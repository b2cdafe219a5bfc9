/** The words of a trace. (core) */

import type { DoneAttempt, TracedEvent } from "../api/generated/ewms.ts";

/** Return what an event of this generation is to the traced one. */
export function describeGeneration(generation: number): string {
  if (generation === 0) {
    return "This event";
  }
  const steps = Math.abs(generation);
  const word = generation < 0 ? "Parent" : "Child";
  return steps === 1 ? word : `${word}, ${steps} steps away`;
}

export function describeState(event: Pick<TracedEvent, "state" | "dead_letter" | "generation">): string {
  switch (event.state) {
    case "dead":
      return event.generation === 0 && !event.dead_letter ? "It was given up, and replayed or discarded since then." : "It failed for good.";
    case "failed":
      return "Attempts failed. It comes again, or it is done by now.";
    case "done":
      return "It is done.";
    default:
      return "No report: it waits or is in work. Without a trace it may also be done.";
  }
}

/** Return the seconds between two instants. The clocks of two machines may differ, so it may be less than 0. */
export function describeExactSpan(start: string, end: string): string {
  return `${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(3)} s`;
}

/** Return the parts of an attempt that ended well, and how long each took. */
export function describeDone(done: Pick<DoneAttempt, "published_at" | "taken_at" | "started_at" | "ended_at" | "acknowledged_at">): string {
  const parts = [
    ...(done.published_at ? [`in the queue ${describeExactSpan(done.published_at, done.taken_at)}`] : []),
    `in the worker ${describeExactSpan(done.taken_at, done.started_at)}`,
    `ran ${describeExactSpan(done.started_at, done.ended_at)}`,
    `acknowledged ${describeExactSpan(done.ended_at, done.acknowledged_at)} later`,
  ];
  return parts.join(", ");
}
