/** One workflow: where its events are, who works on them, and what is wrong. */

import type { VNode } from "preact";
import type { Ending, WorkflowSeen } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Badge, PageHead, Tabs } from "../parts/basics.tsx";
import { makeLater } from "../parts/later.tsx";
import { Shown } from "../parts/states.tsx";
import { usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { EndingActions } from "./ending_actions.tsx";
import { EventTraceView } from "./event_trace.tsx";
import { Letters } from "./letters.tsx";
import { ErrorList } from "./error_list.tsx";
import { QueueEvents } from "./queue_events.tsx";
import { Report } from "./report.tsx";
import { RequestView } from "./request_view.tsx";
import { TaskforceTable } from "./taskforce_table.tsx";
import { WorkflowOverview } from "./workflow_overview.tsx";
import { nameState } from "./workflow_rows.ts";

/** It plots, which takes a large script. */
const QUEUES = makeLater(async () => (await import("./queue_table.tsx")).QueueTable);

const TABS: ReadonlyArray<readonly [string, string]> = [
  ["overview", "Overview"],
  ["queues", "Queues"],
  ["taskforces", "Taskforces"],
  ["letters", "Dead letters"],
  ["errors", "Errors"],
  ["trace", "Trace"],
  ["report", "Report"],
  ["request", "Tasks"],
];

export function WorkflowPage({ id }: { id: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const tab = place.query["tab"] ?? "overview";
  const path = `/v1/workflows/${encodeURIComponent(id)}`;
  const workflow = usePolled(path, async () => {
    const [seen, ending] = await Promise.all([api.get<WorkflowSeen>(`${path}?include=health`), api.get<Ending>(`${path}/ending`)]);
    return { seen, ending };
  });
  const over = workflow.value ? workflow.value.seen.deactivated !== null : false;
  return (
    <>
      <PageHead title={id} crumbs={[["Workflows", "#/workflows"]]}>
        {workflow.value ? (
          <>
            <Badge state={nameState(workflow.value.seen.deactivated, workflow.value.ending.completion)} />
            <EndingActions path={path} ending={workflow.value.ending} isOver={over} refresh={workflow.refresh} />
          </>
        ) : null}
      </PageHead>
      <Tabs tabs={TABS} chosen={tab} />
      {tab === "overview" && (workflow.value || !workflow.failure) ? (
        <WorkflowOverview path={path} workflow={workflow} />
      ) : (
        <Shown of={workflow} what="the workflow">{() => null}</Shown>
      )}
      {tab === "queues" ? (
        <>
          <QUEUES.Part path={path} />
          <QueueEvents path={path} isOver={over} />
        </>
      ) : null}
      {tab === "taskforces" ? <TaskforceTable id={id} /> : null}
      {tab === "letters" ? <Letters path={path} isOver={over} /> : null}
      {tab === "errors" ? <ErrorList path={path} /> : null}
      {tab === "trace" ? <EventTraceView key={place.query["event"] ?? ""} path={path} /> : null}
      {tab === "report" ? <Report path={path} /> : null}
      {tab === "request" ? <RequestView id={id} isOver={over} /> : null}
    </>
  );
}
