/** Look at something again and again while a part of the page shows it. */

import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./client.ts";
import { choosePause, isStale, type Look, noteAnswer, noteFailure, UNSEEN } from "./looks.ts";

export interface Polled<T> extends Look<T> {
  isStale: boolean;
  /** Look now, for instance after an action. */
  refresh: () => void;
}

export const EVERY_MS = 4_000;

/**
 * Return what `look` last answered. It is called at once, then every `intervalMs`, or more rarely while the answer stays
 * the same. A change of `key` begins anew. An empty `key` looks at nothing.
 */
export function usePolled<T>(key: string, look: () => Promise<T>, intervalMs = EVERY_MS): Polled<T> {
  const [seen, setSeen] = useState<{ key: string; look: Look<T> }>({ key, look: UNSEEN });
  const [now, setNow] = useState(Date.now());
  const latest = useRef(look);
  latest.current = look;
  const refresh = useRef<() => void>(() => {});
  // Another interval must not forget what was seen.
  const kept = useRef<{ key: string; look: Look<T> }>({ key, look: UNSEEN });

  // It does not wait until "Loading" is painted: the request goes out before.
  useLayoutEffect(() => {
    if (!key) {
      return;
    }
    let isOver = false;
    let current: Look<T> = kept.current.key === key ? kept.current.look : UNSEEN;
    let timer = 0;
    let isLooking = false;
    // A look that began before an action may not show what the action changed, so another one follows it.
    let isAnotherWanted = false;

    const lookOnce = async (): Promise<void> => {
      window.clearTimeout(timer);
      if (isLooking) {
        isAnotherWanted = true;
        return;
      }
      isLooking = true;
      try {
        current = noteAnswer(await latest.current(), Date.now(), current);
      } catch (failure) {
        current = noteFailure(current, failure);
      }
      isLooking = false;
      if (isOver) {
        return;
      }
      kept.current = { key, look: current };
      setSeen(kept.current);
      if (isAnotherWanted) {
        isAnotherWanted = false;
        void lookOnce();
      } else if (!isFinal(current.failure)) {
        timer = window.setTimeout(lookOnce, choosePause(intervalMs, current, document.hidden));
      }
    };
    const lookWhenSeen = (): void => {
      if (!document.hidden) {
        void lookOnce();
      }
    };

    refresh.current = () => {
      // Who asks for a look expects a change.
      current = { ...current, nSame: 0 };
      void lookOnce();
    };
    document.addEventListener("visibilitychange", lookWhenSeen);
    window.addEventListener("online", lookWhenSeen);
    const clock = window.setInterval(() => setNow(Date.now()), 1_000);
    void lookOnce();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
      window.clearInterval(clock);
      document.removeEventListener("visibilitychange", lookWhenSeen);
      window.removeEventListener("online", lookWhenSeen);
    };
  }, [key, intervalMs]);

  const stable = useCallback(() => refresh.current(), []);
  const shown = seen.key === key ? seen.look : (UNSEEN as Look<T>);
  return { ...shown, isStale: isStale(shown, Math.max(now, shown.seenAt), intervalMs), refresh: stable };
}

/** Whether another look cannot help: the caller may not see it, or it does not exist. */
function isFinal(failure: unknown): boolean {
  return failure instanceof ApiError && [401, 403, 404].includes(failure.status);
}
