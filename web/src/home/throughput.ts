/** How many events are done a second, from two looks at the counts of the same workflows. (core) */

export interface Counted {
  /** In milliseconds. */
  at: number;
  /** Workflow -> events done. */
  done: ReadonlyMap<string, number>;
}

export interface RatePoint {
  at: number;
  rate: number;
}

const MOST_POINTS = 240;

/** Return `points` with one more. A workflow that only one look has seen counts nothing, and no rate is below 0. */
export function addRate(points: readonly RatePoint[], before: Counted | null, now: Counted): RatePoint[] {
  if (before === null || now.at <= before.at) {
    return [...points];
  }
  let sum = 0;
  for (const [workflow, done] of now.done) {
    const old = before.done.get(workflow);
    sum += old === undefined ? 0 : Math.max(0, done - old);
  }
  const rate = sum / ((now.at - before.at) / 1000);
  return [...points, { at: now.at, rate }].slice(-MOST_POINTS);
}
