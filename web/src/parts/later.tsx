/** Parts of the page whose scripts come later, so that the first paint does not wait for them. */

import { type ComponentType, h, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { LaterScript, type ScriptState } from "./later_script.ts";
import { Loading } from "./states.tsx";

export interface Later<Props> {
  /** The part. While its script is on its way, it says so. */
  Part: (props: Props) => VNode;
  /** Fetch the script now, before the part is shown. */
  fetch: () => void;
}

/** Return the part that `load` gives. */
export function makeLater<Props extends object>(load: () => Promise<ComponentType<Props>>): Later<Props> {
  const script = new LaterScript(load);

  function Part(props: Props): VNode {
    const [state, setState] = useState<ScriptState>("coming");
    useEffect(() => script.watch(setState), []);
    if (script.content) {
      return h(script.content as ComponentType<object>, props);
    }
    return state === "failed" ? <Gone /> : <Loading what="this part" />;
  }
  return { Part, fetch: () => void script.fetch() };
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
