/** Failed attempts at one event: when, where, and with which error. */

import type { VNode } from "preact";
import type { Attempt } from "../api/generated/ewms.ts";
import { Badge } from "../parts/basics.tsx";
import { describeInstant } from "../parts/texts.ts";

export function AttemptList({ attempts }: { attempts: readonly Attempt[] }): VNode {
  return (
    <ol class="steps">
      {attempts.map((attempt) => (
        <li key={attempt.cursor} class="bad">
          <b>Attempt {attempt.attempt}</b> {attempt.counts ? null : <Badge state="not counted" />}{" "}
          <span class="quiet">
            {describeInstant(attempt.failed_at)} on {attempt.machine || "an unknown machine"}
            {attempt.worker === null ? "" : `, worker ${attempt.worker}`}, after {attempt.took_s.toFixed(1)} s
            {attempt.exit_code === null ? "" : `, exit ${attempt.exit_code}`}
          </span>
          <div>{attempt.error}</div>
          {attempt.last_lines ? <pre tabindex={0}>{attempt.last_lines}</pre> : null}
        </li>
      ))}
    </ol>
  );
}
