/** The queues of a workflow over time, as MQS has counted them. */

import type { VNode } from "preact";
import type { QueueHistories } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Card } from "../parts/basics.tsx";
import { Plot } from "../parts/plot.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { drawLines, type Kind, KINDS } from "./history_lines.ts";

const SLOW_MS = 15_000;
const SPANS: Readonly<Record<string, number>> = { "an hour": 1, "six hours": 6, "a day": 24, "a week": 168, "30 days": 720 };

export function QueueHistory({ path }: { path: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const kind = (place.query["plot"] ?? "depth") as Kind;
  const span = place.query["span"] ?? "an hour";
  const hours = SPANS[span] ?? 1;
  const histories = usePolled(
    `${path}/history ${hours}`,
    () => {
      const since = new Date(Date.now() - hours * 3_600_000).toISOString();
      return api.get<QueueHistories>(`${path}/queues/history?since=${encodeURIComponent(since)}`);
    },
    SLOW_MS,
  );
  return (
    <Card
      title="Queues over time"
      more={
        <span class="row">
          <select aria-label="What is plotted" value={kind} onChange={(event) => replaceQuery({ plot: event.currentTarget.value })}>
            {Object.entries(KINDS).map(([key, text]) => (
              <option key={key} value={key}>
                {text}
              </option>
            ))}
          </select>
          <select aria-label="For how long" value={span} onChange={(event) => replaceQuery({ span: event.currentTarget.value })}>
            {Object.keys(SPANS).map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </span>
      }
    >
      <Shown of={histories} what="the history">
        {(found) => {
          const lines = drawLines(found, kind in KINDS ? kind : "depth");
          return lines.times.length < 2 ? <Empty>Nothing has been counted yet. MQS counts every few seconds.</Empty> : <Plot label={`${KINDS[kind] ?? KINDS.depth}, for each queue`} times={lines.times} series={lines.series} />;
        }}
      </Shown>
    </Card>
  );
}
