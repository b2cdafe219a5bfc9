/** The places where workers run: the sums of their workers, and how they are drained. (core) */

import type { DrainRequest, DrainSeen } from "../api/generated/ewms.ts";
import { countWorkers, NO_WORKERS, type Statuses, type WorkerCounts } from "../workflow/worker_counts.ts";

export interface PlaceSum extends WorkerCounts {
  nTaskforces: number;
}

export function sumByPlace(taskforces: ReadonlyArray<{ schedd: string; compound_statuses: Statuses }>): Map<string, PlaceSum> {
  const sums = new Map<string, PlaceSum>();
  for (const taskforce of taskforces) {
    const before = sums.get(taskforce.schedd) ?? { ...NO_WORKERS, nTaskforces: 0 };
    const counts = countWorkers([taskforce.compound_statuses]);
    sums.set(taskforce.schedd, {
      nTaskforces: before.nTaskforces + 1,
      idle: before.idle + counts.idle,
      running: before.running + counts.running,
      held: before.held + counts.held,
      over: before.over + counts.over,
    });
  }
  return sums;
}

/** Return the body of a drain. `minutes` is what a person typed: after how long the workers end, or nothing. */
export function writeDrain(reason: string, minutes: string, now: number): DrainRequest {
  return { reason, workers_end_at: minutes.trim() === "" ? null : new Date(now + Number(minutes) * 60_000).toISOString() };
}

/** Return since when a place is drained, why, and when its workers end or that it is lost. `describe` makes text of an instant. */
export function describeDrain(drain: DrainSeen, describe: (instant: string) => string): string {
  const end = drain.workers_end_at ? `; its workers end at ${describe(drain.workers_end_at)}` : "";
  const rest = drain.is_lost ? "; its taskforces end" : end;
  return `since ${describe(drain.since)}${drain.reason ? `: ${drain.reason}` : ""}${rest}`;
}

/** Return what a person is asked before a place is undrained. */
export function askUndrain(drain: DrainSeen): string {
  const ended = drain.is_lost ? "; nothing takes the place of those that have ended." : ", also in the place of those that the drain has stopped.";
  return `Workers start at this place again${ended}`;
}
