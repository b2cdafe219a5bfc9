/** Attempts at one event that ended well: where, how long each part took, and what the task made. */

import type { VNode } from "preact";
import type { DoneAttempt } from "../api/generated/ewms.ts";
import { usePlace } from "../routing/place.ts";
import { changeQuery } from "../routing/routes.ts";
import { describeDone } from "./trace_words.ts";

export function DoneList({ attempts }: { attempts: readonly DoneAttempt[] }): VNode {
  const place = usePlace();
  return (
    <ol class="steps">
      {attempts.map((attempt) => (
        <li key={attempt.cursor}>
          <b>Attempt {attempt.attempt} done</b>{" "}
          <span class="quiet">
            on {attempt.machine || "an unknown machine"}
            {typeof attempt.worker === "number" ? `, worker ${attempt.worker}` : ""}: {describeDone(attempt)}
          </span>
          {attempt.error ? <div>Its outcome: {attempt.error}</div> : null}
          {attempt.outputs?.map((output) => (
            <div key={output.event_id}>
              Made{" "}
              <a href={changeQuery(place, { event: output.event_id })}>
                <code>{output.event_id}</code>
              </a>
            </div>
          ))}
        </li>
      ))}
    </ol>
  );
}
