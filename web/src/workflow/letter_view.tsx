/** One dead letter: its body, and every attempt at it. */

import type { VNode } from "preact";
import type { DeadLetterSeen } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Badge, Facts } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeBytes, describeInstant } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

export function LetterView({ path, letter }: { path: string; letter: string }): VNode {
  const api = useApi();
  const address = `${path}/dead-letters/${letter}`;
  const seen = usePolled(address, () => api.get<DeadLetterSeen>(address), 60_000);
  return (
    <Shown of={seen} what="the dead letter">
      {({ dead_letter: dead, attempts }) => (
        <>
          <Facts
            of={[
              ["Event", <code>{dead.event_id}</code>],
              ["Key", dead.key || "–"],
              ["Reason", dead.reason],
              ["Died", describeInstant(dead.dead_at)],
              ["Size", `${describeBytes(dead.n_bytes)}, ${dead.content_type || "no content type"}`],
            ]}
          />
          <h3>What it says</h3>
          <pre tabindex={0}>{dead.excerpt || "(empty)"}</pre>
          <h3>Attempts</h3>
          {attempts.length === 0 ? <Empty>No worker reported an attempt.</Empty> : null}
          <ol class="steps">
            {attempts.map((attempt) => (
              <li key={attempt.cursor} class="bad">
                <b>Attempt {attempt.attempt}</b> {attempt.counts ? null : <Badge state="not counted" />}{" "}
                <span class="quiet">
                  {describeInstant(attempt.failed_at)} on {attempt.machine || "an unknown machine"}, after {attempt.took_s.toFixed(1)} s
                  {attempt.exit_code === null ? "" : `, exit ${attempt.exit_code}`}
                </span>
                <div>{attempt.error}</div>
                {attempt.last_lines ? <pre tabindex={0}>{attempt.last_lines}</pre> : null}
              </li>
            ))}
          </ol>
        </>
      )}
    </Shown>
  );
}
