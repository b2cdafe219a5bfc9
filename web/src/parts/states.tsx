/** The forms that every part of the page has besides its content: empty, loading, failed, old, not allowed. */

import type { ComponentChildren, VNode } from "preact";
import { ApiError } from "../api/client.ts";
import type { Polled } from "../api/polling.ts";
import { useEffect, useState } from "preact/hooks";
import { describeAge } from "./texts.ts";

interface PolledProps<T> {
  of: Polled<T>;
  children: (value: T) => ComponentChildren;
  /** What is looked at, for the words of the states: "the queues". */
  what: string;
}

/** Show `children` of what was seen, with a notice if it is old; or why there is nothing to show. */
export function Shown<T>({ of, children, what }: PolledProps<T>): VNode {
  if (of.value === undefined) {
    return of.failure ? <Failure failure={of.failure} what={what} retry={of.refresh} /> : <Loading what={what} />;
  }
  return (
    <>
      {of.failure ? <Failure failure={of.failure} what={what} retry={of.refresh} seenAt={of.seenAt} /> : null}
      {of.isStale && !of.failure ? <Stale seenAt={of.seenAt} retry={of.refresh} /> : null}
      {children(of.value)}
    </>
  );
}

export function Loading({ what }: { what: string }): VNode {
  return (
    <p class="loading" role="status">
      Loading {what} …
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }): VNode {
  return <div class="empty">{children}</div>;
}

interface FailureProps {
  failure: unknown;
  what: string;
  retry?: () => void;
  seenAt?: number;
}

export function Failure({ failure, what, retry, seenAt = 0 }: FailureProps): VNode {
  const error = failure instanceof ApiError ? failure : null;
  const text = failure instanceof Error ? failure.message : String(failure);
  if (error?.status === 403) {
    return (
      <div class="notice warn" role="alert">
        <p>
          <b>You may not see {what}.</b> {text}
        </p>
        <p>Sign in as another person, or ask an administrator of your organization for the role.</p>
      </div>
    );
  }
  if (error?.status === 404) {
    return (
      <div class="notice warn" role="alert">
        <p>
          <b>There is nothing here.</b> {text}
        </p>
      </div>
    );
  }
  return (
    <div class="notice bad" role="alert">
      <p>
        <b>{seenAt ? `The page shows ${what} of ${describeAge(Date.now() - seenAt)} ago.` : `Cannot show ${what}.`}</b> {text}
      </p>
      {error?.hint ? <p>{error.hint}</p> : null}
      {error?.requestId ? <p class="quiet">Request {error.requestId}</p> : null}
      {retry ? (
        <p>
          <button type="button" onClick={retry}>
            Try again
          </button>{" "}
          <span class="quiet">The page tries again by itself.</span>
        </p>
      ) : null}
    </div>
  );
}

function Stale({ seenAt, retry }: { seenAt: number; retry: () => void }): VNode {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const clock = window.setInterval(() => setNow(Date.now()), 1_000);
    return () => window.clearInterval(clock);
  }, []);
  return (
    <div class="notice warn" role="status">
      No news for {describeAge(Math.max(0, now - seenAt))}: these figures are old.{" "}
      <button type="button" class="plain" onClick={retry}>
        Look now
      </button>
    </div>
  );
}
