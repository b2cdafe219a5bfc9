/** The events of a workflow's public queues: publish JSON lines, look at what waits, download it. */

import type { VNode } from "preact";
import type { WorkflowGraph } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Card } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { EventLook } from "./event_look.tsx";
import { EventPublisher } from "./event_publisher.tsx";

const SLOW_MS = 60_000;

export function QueueEvents({ path, isOver }: { path: string; isOver: boolean }): VNode {
  const api = useApi();
  const place = usePlace();
  const graph = usePolled(`${path}/graph`, () => api.get<WorkflowGraph>(`${path}/graph`), SLOW_MS);
  return (
    <Card title="Events of a public queue">
      <Shown of={graph} what="the public queues">
        {(found) => {
          const open = found.queues.filter((queue) => queue.is_public);
          const chosen = open.find((queue) => queue.mqid === place.query["queue"]) ?? open[0];
          if (!chosen) {
            return <Empty>No public queue is there. A queue is public if the request names it in public_queue_aliases.</Empty>;
          }
          const takesEvents = found.tasks.some((task) => task.input_queues.includes(chosen.mqid));
          const givesEvents = found.tasks.some((task) => task.output_queues.includes(chosen.mqid));
          const address = `${path}/queues/${encodeURIComponent(chosen.mqid)}/events`;
          return (
            <>
              <div class="field">
                <label for="public-queue">Queue</label>
                <select id="public-queue" value={chosen.mqid} onChange={(event) => replaceQuery({ queue: event.currentTarget.value })}>
                  {open.map((queue) => (
                    <option key={queue.mqid} value={queue.mqid}>
                      {queue.alias || queue.mqid}
                    </option>
                  ))}
                </select>
              </div>
              {takesEvents ? <EventPublisher key={`to ${chosen.mqid}`} address={address} isOver={isOver} /> : null}
              {givesEvents ? <EventLook key={`from ${chosen.mqid}`} address={address} name={`${chosen.alias || chosen.mqid}.jsonl`} /> : null}
            </>
          );
        }}
      </Shown>
    </Card>
  );
}
