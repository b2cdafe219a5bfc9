/** Processes: all that the caller may see, and the ways to start one. */

import type { VNode } from "preact";
import type { ProcessSummary, StatusCounts, WorkflowDescription } from "../api/generated/processes.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Ago, Badge, Card, Figure, PageHead, Table, Tabs } from "../parts/basics.tsx";
import { Pages, usePageNumber } from "../parts/pages.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeNumber } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { SubscriptionList } from "./subscription_list.tsx";

const PAGE = 50;
const TABS: ReadonlyArray<readonly [string, string]> = [
  ["processes", "Processes"],
  ["start", "Start one"],
  ["subscriptions", "Subscriptions"],
];

export function ProcessList(): VNode {
  const place = usePlace();
  const tab = place.query["tab"] ?? "processes";
  return (
    <>
      <PageHead title="Processes" />
      <Tabs tabs={TABS} chosen={tab} />
      {tab === "start" ? <Startable /> : tab === "subscriptions" ? <SubscriptionList /> : <Listed />}
    </>
  );
}

function Listed(): VNode {
  const api = useApi();
  const place = usePlace();
  const status = place.query["status"] ?? "";
  const page = usePageNumber();
  const counts = usePolled("process counts", () => api.get<StatusCounts>("/api/processes/status-counts"), 8_000);
  const query = new URLSearchParams({ sort: "started_at,desc", range: `${page * PAGE},${page * PAGE + PAGE - 1}` });
  if (status) {
    query.set("filter", `last_status,${status}`);
  }
  const address = `/api/processes?${query}`;
  const listed = usePolled(address, () => api.getWhole<ProcessSummary[]>(address));
  return (
    <>
      <div class="figures">
        {Object.entries(counts.value?.process_counts ?? {}).map(([name, n]) => (
          <Figure key={name} value={<a href={writePlace(["processes"], { status: name })}>{describeNumber(n)}</a>} text={name.replace(/_/g, " ")} />
        ))}
      </div>
      <Card title={status ? `Processes: ${status.replace(/_/g, " ")}` : "All processes"} more={status ? <a href="#/processes">Show all</a> : null}>
        <Shown of={listed} what="the processes">
          {({ value, headers }) =>
            value.length === 0 ? (
              <Empty>There are no such processes.</Empty>
            ) : (
              <>
                <Table
                  caption="Processes, the newest first"
                  rows={value}
                  keyOf={(row) => row.process_id}
                  columns={[
                    { title: "Process", cell: (row) => <a href={writePlace(["processes", row.process_id])}>{row.workflow_name}</a> },
                    { title: "Status", cell: (row) => <Badge state={row.status} /> },
                    { title: "Last step", cell: (row) => row.last_step ?? "–" },
                    { title: "Why it stands", cell: (row) => row.failed_reason ?? row.explanation },
                    { title: "By", cell: (row) => row.created_by },
                    { title: "Began", cell: (row) => <Ago at={row.started_at ?? row.created_at} /> },
                  ]}
                />
                <Pages page={page} pageSize={PAGE} nShown={value.length} total={Number(headers.get("content-range")?.split("/")[1] ?? NaN)} />
              </>
            )
          }
        </Shown>
      </Card>
    </>
  );
}

function Startable(): VNode {
  const api = useApi();
  const workflows = usePolled("process workflows", () => api.get<WorkflowDescription[]>("/api/workflows"), 15_000);
  return (
    <Card title="What can be started">
      <Shown of={workflows} what="the list">
        {(found) =>
          found.length === 0 ? (
            <Empty>No step worker has registered anything. `ewms worker --module MODULE` starts one.</Empty>
          ) : (
            <Table
              caption="Definitions that step workers offer"
              rows={found}
              keyOf={(row) => row.name}
              columns={[
                { title: "Name", cell: (row) => <b>{row.name}</b> },
                { title: "What it does", cell: (row) => row.description },
                { title: "Kind", cell: (row) => row.target ?? row.kind },
                { title: "Steps", isNumber: true, cell: (row) => row.steps.length },
                { title: "Worker", cell: (row) => <Badge state={row.is_offered ? "ready" : "no worker"} tone={row.is_offered ? "good" : "warn"} /> },
                {
                  title: "Start it",
                  cell: (row) => (row.kind === "flow" ? null : row.has_form ? <a class="button" href={writePlace(["processes", "start", row.name])}>Fill in and start</a> : <StartPlain name={row.name} />),
                },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

function StartPlain({ name }: { name: string }): VNode {
  const api = useApi();
  const start = async (): Promise<string> => {
    const made = await api.send<{ id: string }>("POST", `/api/processes/${encodeURIComponent(name)}`, [{}]);
    window.location.hash = writePlace(["processes", made.id]);
    return "Started.";
  };
  return <Action text="Start" act={start} question={`Start ${name}?`} />;
}
