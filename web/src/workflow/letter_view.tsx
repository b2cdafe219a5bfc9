/** One dead letter: its body, and every attempt at it. */

import type { VNode } from "preact";
import type { DeadLetterSeen } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Facts } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeBytes, describeInstant } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { changeQuery } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { AttemptList } from "./attempt_list.tsx";

export function LetterView({ path, letter }: { path: string; letter: string }): VNode {
  const api = useApi();
  const place = usePlace();
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
          {attempts.length === 0 ? <Empty>No worker reported an attempt.</Empty> : <AttemptList attempts={attempts} />}
          {dead.event_id ? (
            <p>
              <a href={changeQuery(place, { tab: "trace", event: dead.event_id })}>Trace this event</a>
            </p>
          ) : null}
        </>
      )}
    </Shown>
  );
}
