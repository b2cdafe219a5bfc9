/** Give a repeated request the Idempotency-Key of its first try, so that both take effect once. (core) */

interface Try {
  key: string;
  at: number;
}

/** After this time a person who sends the same again means it anew. */
export const REPEAT_MS = 600_000;

/** No answer, or an answer that does not tell whether the request took effect. */
const UNCLEAR = new Set([0, 500, 502, 503, 504]);

/** The keys of requests that are under way, or whose outcome is unknown. */
export class Repeats {
  readonly #tries = new Map<string, Try>();
  readonly #makeKey: () => string;

  constructor(makeKey: () => string) {
    this.#makeKey = makeKey;
  }

  /** Return the key of the request `what`: that of its first try, unless the first try is settled or long ago. */
  chooseKey(what: string, now: number): string {
    for (const [each, { at }] of this.#tries) {
      if (now - at > REPEAT_MS) {
        this.#tries.delete(each);
      }
    }
    const known = this.#tries.get(what) ?? { key: this.#makeKey(), at: now };
    this.#tries.set(what, known);
    return known.key;
  }

  /** Note the status that `what` came to; 0 if no server answered. A clear answer ends its key. */
  noteStatus(what: string, status: number): void {
    if (!UNCLEAR.has(status)) {
      this.#tries.delete(what);
    }
  }
}
