/** The words of a trace. (core) */

import type { TracedEvent } from "../api/generated/ewms.ts";

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
      return "It is done: a task made another event from it.";
    default:
      return "No failure is known: it waits, is in work, is done, or never was.";
  }
}
