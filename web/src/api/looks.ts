/** What is known of something that the page looks at again and again. (core) */

export interface Look<T> {
  value: T | undefined;
  /** The instant of the last good answer in milliseconds; 0 if there was none. */
  seenAt: number;
  /** The last failure, if it came after the last good answer. */
  failure: unknown;
  nFailures: number;
  /** How many good answers in a row have said the same as the one before. */
  nSame: number;
}

/** After so long without a good answer, the page says that what it shows is old. */
export const STALE_MS = 15_000;
const LONGEST_PAUSE_MS = 30_000;
/** The longest pause while nothing changes: the next answer comes well before what is shown is old. */
const CALM_PAUSE_MS = 10_000;
/** After so many equal answers the pauses grow. */
const CALM_AFTER = 2;

export const UNSEEN: Look<never> = { value: undefined, seenAt: 0, failure: null, nFailures: 0, nSame: 0 };

export function noteAnswer<T>(value: T, now: number, before: Look<T> = UNSEEN): Look<T> {
  const isSame = before.seenAt > 0 && isSameAnswer(before.value, value);
  return { value, seenAt: now, failure: null, nFailures: 0, nSame: isSame ? before.nSame + 1 : 0 };
}

/** Whether two answers are the same object, or have the same objects as their parts. After a 304 the object is the same. */
export function isSameAnswer(one: unknown, other: unknown): boolean {
  if (one === other) {
    return true;
  }
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) {
    return false;
  }
  const [ones, others] = [Object.entries(one), Object.entries(other)];
  return ones.length === others.length && ones.every(([key, value]) => (other as Record<string, unknown>)[key] === value);
}

export function noteFailure<T>(look: Look<T>, failure: unknown): Look<T> {
  return { ...look, failure, nFailures: look.nFailures + 1 };
}

/**
 * Return how long to wait before the next look: longer after each failure, longer while the answer stays the same, and
 * longer while nobody sees the page.
 */
export function choosePause(intervalMs: number, look: Pick<Look<unknown>, "nFailures" | "nSame">, isHidden: boolean): number {
  const calm = Math.min(intervalMs * 1.5 ** Math.max(0, look.nSame - CALM_AFTER), Math.max(CALM_PAUSE_MS, intervalMs));
  const pause = intervalMs * 2 ** Math.min(look.nFailures, 5);
  return Math.min(Math.max(isHidden ? intervalMs * 6 : 0, calm, pause), Math.max(LONGEST_PAUSE_MS, intervalMs));
}

export function isStale(look: Look<unknown>, now: number, intervalMs: number): boolean {
  return look.seenAt > 0 && now - look.seenAt > Math.max(STALE_MS, intervalMs * 2);
}
