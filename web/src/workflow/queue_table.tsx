/** The queues of a workflow with the numbers of their events. */

import type { VNode } from "preact";
import type { QueueDepths } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeNumber } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";
import { QueueHistory } from "./queue_history.tsx";

export function QueueTable({ path }: { path: string }): VNode {
  const api = useApi();
  const queues = usePolled(`${path}/queues`, () => api.get<QueueDepths>(`${path}/queues`));
  return (
    <>
      <Card title="Queues now">
        <Shown of={queues} what="the queues">
          {(found) =>
            found.queues.length === 0 ? (
              <Empty>The workflow has no queues, or they are gone.</Empty>
            ) : (
              <>
                <Table
                  caption="Queues and their events"
                  rows={found.queues}
                  keyOf={(queue) => queue.mqid}
                  columns={[
                    { title: "Queue", cell: (queue) => <b>{queue.alias || queue.mqid}</b> },
                    { title: "For", cell: (queue) => <Badge state={queue.is_public ? "public" : "private"} tone={queue.is_public ? "busy" : ""} /> },
                    { title: "Ready", isNumber: true, cell: (queue) => describeNumber(queue.n_ready) },
                    { title: "In work", isNumber: true, cell: (queue) => describeNumber(queue.n_unacknowledged) },
                    { title: "Put off", isNumber: true, cell: (queue) => describeNumber(queue.n_delayed) },
                    { title: "Takers", isNumber: true, cell: (queue) => describeNumber(queue.n_consumers) },
                    { title: "Ever arrived", isNumber: true, cell: (queue) => (queue.n_arrived === null ? "?" : describeNumber(queue.n_arrived)) },
                    { title: "Gone", isNumber: true, cell: (queue) => (queue.n_gone === null ? "?" : describeNumber(queue.n_gone)) },
                  ]}
                />
                {found.queues.some((queue) => queue.may_grow) ? (
                  <p class="quiet">Arrivals of the last seconds may not be counted yet.</p>
                ) : null}
              </>
            )
          }
        </Shown>
      </Card>
      <QueueHistory path={path} />
    </>
  );
}
