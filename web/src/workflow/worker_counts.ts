/** Count the workers of taskforces by what they do. (core) Statuses: job status -> pilot status -> number. */

export interface WorkerCounts {
  idle: number;
  running: number;
  held: number;
  /** Completed, removed, or otherwise over. */
  over: number;
}

export const NO_WORKERS: WorkerCounts = { idle: 0, running: 0, held: 0, over: 0 };

export type Statuses = Record<string, Record<string, number>>;

export function countWorkers(all: readonly Statuses[]): WorkerCounts {
  const counts = { ...NO_WORKERS };
  for (const statuses of all) {
    for (const [job, pilots] of Object.entries(statuses)) {
      const n = Object.values(pilots).reduce((sum, each) => sum + each, 0);
      counts[chooseKind(job)] += n;
    }
  }
  return counts;
}

/** Return what a job status counts as. A held job's status has its reason behind a colon (contract, 3.7). */
function chooseKind(job: string): keyof WorkerCounts {
  if (job.startsWith("HELD")) {
    return "held";
  }
  return job === "IDLE" ? "idle" : job === "RUNNING" ? "running" : "over";
}

/** Return the reasons of held jobs with their numbers, the most frequent first. */
export function listHoldReasons(all: readonly Statuses[]): Array<[string, number]> {
  const reasons = new Map<string, number>();
  for (const statuses of all) {
    for (const [job, pilots] of Object.entries(statuses)) {
      if (job.startsWith("HELD")) {
        const reason = job.slice("HELD".length).replace(/^:\s*/, "") || "no reason given";
        reasons.set(reason, (reasons.get(reason) ?? 0) + Object.values(pilots).reduce((sum, each) => sum + each, 0));
      }
    }
  }
  return [...reasons].sort((one, other) => other[1] - one[1]);
}
