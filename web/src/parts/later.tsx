/** Parts of the page whose scripts come later, so that the first paint does not wait for them. */

import { type ComponentType, h, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Loading } from "./states.tsx";

export interface Later<Props> {
  /** The part. While its script is on its way, it says so. */
  Part: (props: Props) => VNode;
  /** Fetch the script now, before the part is shown. */
  fetch: () => void;
}

/** Return the part that `load` gives. Its script is fetched once, and again after a failure. */
export function makeLater<Props extends object>(load: () => Promise<ComponentType<Props>>): Later<Props> {
  let found: ComponentType<Props> | null = null;
  let coming: Promise<void> | null = null;
  const fetch = (): Promise<void> => {
    coming ??= load().then(
      (part) => {
        found = part;
      },
      (failure) => {
        coming = null;
        throw failure;
      },
    );
    return coming;
  };

  function Part(props: Props): VNode {
    const [state, setState] = useState<"coming" | "here" | "failed">(found ? "here" : "coming");
    useEffect(() => {
      if (!found) {
        fetch().then(
          () => setState("here"),
          () => setState("failed"),
        );
      }
    }, []);
    if (found) {
      return h(found as ComponentType<object>, props);
    }
    return state === "failed" ? <Gone /> : <Loading what="this part" />;
  }
  return { Part, fetch: () => void fetch().catch(() => {}) };
}

function Gone(): VNode {
  return (
    <div class="notice bad" role="alert">
      <p>
        <b>The script of this part did not come.</b> The server does not answer, or it has another version of the page by now.
      </p>
      <p>
        <button type="button" onClick={() => window.location.reload()}>
          Load the page again
        </button>{" "}
        <span class="quiet">You then sign in again.</span>
      </p>
    </div>
  );
}
