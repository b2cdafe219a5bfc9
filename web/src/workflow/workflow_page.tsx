/** One workflow: where its events are, who works on them, and what is wrong. */

import type { VNode } from "preact";
import type { Ending, WorkflowSeen } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, Facts, PageHead, Tabs } from "../parts/basics.tsx";
import { Explained } from "../parts/explained.tsx";
import { Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { EndingActions } from "./ending_actions.tsx";
import { EventTraceView } from "./event_trace.tsx";
import { Letters } from "./letters.tsx";
import { ErrorList } from "./error_list.tsx";
import { ProgressBar } from "./progress.tsx";
import { QueueEvents } from "./queue_events.tsx";
import { QueueTable } from "./queue_table.tsx";
import { Report } from "./report.tsx";
import { RequestView } from "./request_view.tsx";
import { TaskforceTable } from "./taskforce_table.tsx";
import { WorkflowGraphCard } from "./workflow_graph_card.tsx";
import { nameState } from "./workflow_rows.ts";

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
    const [seen, ending] = await Promise.all([
      api.get<WorkflowSeen>(`${path}?include=health,progress`),
      api.get<Ending>(`${path}/ending`),
    ]);
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
      {/* The graph does not wait for the workflow: both need the counts of the queues, and the gateway counts them once. */}
      {tab === "overview" && (workflow.value || !workflow.failure) ? <WorkflowGraphCard path={path} isOver={over} /> : null}
      <Shown of={workflow} what="the workflow">
        {({ seen, ending }) => (
          <>
            {tab === "overview" ? (
              <>
                <Explained path={`${path}/explain`} />
                <div class="columns">
                  <Card title="Progress">
                    <ProgressBar progress={seen.progress ?? null} />
                    {ending.reason ? <p>{ending.reason}</p> : null}
                  </Card>
                  <Card title="About it">
                    <Facts of={listFacts(seen, ending)} />
                  </Card>
                </div>
              </>
            ) : null}
          </>
        )}
      </Shown>
      {tab === "queues" ? (
        <>
          <QueueTable path={path} />
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

function listFacts(seen: WorkflowSeen, ending: Ending): Array<[string, VNode | string]> {
  const facts: Array<[string, VNode | string]> = [
    ["Requested", <Ago at={seen.timestamp} />],
    ["Priority", String(seen.priority)],
    ["Queues made", describeInstant(seen.health?.queues_active_at)],
    ["Inputs closed", describeInstant(ending.inputs_closed_at)],
  ];
  if (seen.health?.queues_deferred) {
    facts.push(["Queues wait", seen.health.queues_deferred]);
  }
  if (ending.expected_results !== null) {
    facts.push(["Expected results", String(ending.expected_results)]);
  }
  if (seen.deactivated_ts !== null) {
    facts.push(["Ended", <Ago at={seen.deactivated_ts} />]);
  }
  return facts;
}
