/** Sum the workers of taskforces by the schedd on which they run. (core) */

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
