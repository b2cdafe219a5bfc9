/** What is known of something that the page looks at again and again. (core) */

export interface Look<T> {
  value: T | undefined;
  /** The instant of the last good answer in milliseconds; 0 if there was none. */
  seenAt: number;
  /** The last failure, if it came after the last good answer. */
  failure: unknown;
  nFailures: number;
}

/** After so long without a good answer, the page says that what it shows is old. */
export const STALE_MS = 15_000;
const LONGEST_PAUSE_MS = 30_000;

export const UNSEEN: Look<never> = { value: undefined, seenAt: 0, failure: null, nFailures: 0 };

export function noteAnswer<T>(value: T, now: number): Look<T> {
  return { value, seenAt: now, failure: null, nFailures: 0 };
}

export function noteFailure<T>(look: Look<T>, failure: unknown): Look<T> {
  return { ...look, failure, nFailures: look.nFailures + 1 };
}

/** Return how long to wait before the next look: longer after each failure, and longer while nobody sees the page. */
export function choosePause(intervalMs: number, nFailures: number, isHidden: boolean): number {
  const pause = intervalMs * 2 ** Math.min(nFailures, 5);
  return Math.min(Math.max(isHidden ? intervalMs * 6 : 0, pause), Math.max(LONGEST_PAUSE_MS, intervalMs));
}

export function isStale(look: Look<unknown>, now: number, intervalMs: number): boolean {
  return look.seenAt > 0 && now - look.seenAt > Math.max(STALE_MS, intervalMs * 2);
}
