/** The first part: what runs, what needs a person, how much is done. */

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answers as Awx } from "../api/generated/awx.ts";
import type { StatusCounts } from "../api/generated/processes.ts";
import type { TaskforceSeen, WorkflowSeen, WorkflowsFound } from "../api/generated/ewms.ts";
import { type Polled, usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, Figure, PageHead, Table } from "../parts/basics.tsx";
import { Plot } from "../parts/plot.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { countOf, describeNumber } from "../parts/texts.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { useWorkflowNews } from "../stream/workflow_news.ts";
import { countWorkers, type WorkerCounts } from "../workflow/worker_counts.ts";
import { listUnderWay, readWorkflowRows, type WorkflowRow } from "../workflow/workflow_rows.ts";
import { ProgressBar } from "../workflow/progress.tsx";
import { addRate, type RatePoint } from "./throughput.ts";

/** The newest workflows under way, in detail: each costs the gateway a request. */
const MOST_IN_DETAIL = 12;
const SLOW_MS = 10_000;

interface Overview {
  nUnderWay: number;
  rows: WorkflowRow[];
  details: WorkflowSeen[];
}

export function Home(): VNode {
  const overview = useOverview();
  const workers = useFleetWorkers();
  const processes = useProcessCounts();
  const approvals = useApprovals();
  return (
    <>
      <PageHead title="Home" />
      <div class="figures">
        <Figure value={overview.value ? describeNumber(overview.value.nUnderWay) : "–"} text="workflows under way" />
        <Figure value={workers.value ? describeNumber(workers.value.running) : "–"} text="workers running" />
        <Figure value={workers.value ? describeNumber(workers.value.idle) : "–"} text="workers waiting for a slot" />
        <Figure value={workers.value ? describeNumber(workers.value.held) : "–"} text="workers held" tone={workers.value?.held ? "bad" : ""} />
        <Figure value={sumOf(processes.value?.process_counts, ["running", "resumed", "waiting", "created"])} text="processes under way" />
      </div>
      <Attention overview={overview} workers={workers} processes={processes} approvals={approvals} />
      <Card title="Events done a second">
        <Throughput details={overview.value?.details ?? []} seenAt={overview.seenAt} />
      </Card>
      <Card title="Under way" more={<a href="#/workflows">All workflows</a>}>
        <Shown of={overview} what="the workflows">
          {(found) => <UnderWay overview={found} />}
        </Shown>
      </Card>
    </>
  );
}

function useOverview(): Polled<Overview> {
  const api = useApi();
  const heard = useWorkflowNews();
  const findRows = async (): Promise<WorkflowRow[]> =>
    heard ? listUnderWay(heard.news) : readWorkflowRows(await api.query<WorkflowsFound>("/v1/query/workflows", { query: { deactivated: null } }));
  return usePolled("home/workflows", async () => {
    const rows = await findRows();
    const newest = rows.slice(0, MOST_IN_DETAIL);
    const details = await Promise.all(
      newest.map((row) => api.get<WorkflowSeen>(`/v1/workflows/${row.id}?include=health,progress`).catch(() => null)),
    );
    return { nUnderWay: rows.length, rows: newest, details: details.filter((each) => each !== null) };
  });
}

function useFleetWorkers(): Polled<WorkerCounts> {
  const api = useApi();
  return usePolled(
    "home/workers",
    async () => {
      const query = { phase: { $in: ["condor-submit", "pending-stopper", "condor-rm"] } };
      const body = { query, projection: ["compound_statuses"] };
      const found = await api.query<{ taskforces: Array<Pick<TaskforceSeen, "compound_statuses">> }>("/v1/query/taskforces", body);
      return countWorkers(found.taskforces.map((each) => each.compound_statuses));
    },
    SLOW_MS,
  );
}

function useProcessCounts(): Polled<StatusCounts> {
  const api = useApi();
  return usePolled("home/processes", () => api.get<StatusCounts>("/api/processes/status-counts"), SLOW_MS);
}

type Approvals = { count: number; results: Array<{ id: number; name: string; created: string; workflow_job?: number }> };

function useApprovals(): Polled<Approvals> {
  const api = useApi();
  const path: keyof Awx = "GET /api/v2/workflow_approvals/";
  return usePolled("home/approvals", () => api.get<Approvals>(`${path.slice(4)}?status=pending`), SLOW_MS);
}

function sumOf(counts: Record<string, number> | undefined, states: readonly string[]): string {
  return counts ? describeNumber(states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)) : "–";
}

interface AttentionProps {
  overview: Polled<Overview>;
  workers: Polled<WorkerCounts>;
  processes: Polled<StatusCounts>;
  approvals: Polled<Approvals>;
}

interface Matter {
  key: string;
  text: string;
  remedy: string;
  address: string;
  tone: "bad" | "warn";
}

function Attention({ overview, workers, processes, approvals }: AttentionProps): VNode {
  const matters: Matter[] = [];
  for (const workflow of overview.value?.details ?? []) {
    const address = writePlace(["workflows", workflow.workflow_id]);
    const stall = workflow.health?.stalled;
    if (stall) {
      const [first] = stall.causes;
      matters.push({ key: `${workflow.workflow_id} stalled`, text: `${workflow.workflow_id} is stalled. ${first?.text ?? ""}`, remedy: "See why", address, tone: "bad" });
    }
    const nFailed = workflow.progress?.n_failed ?? 0;
    if (nFailed > 0) {
      const letters = writePlace(["workflows", workflow.workflow_id], { tab: "letters" });
      matters.push({ key: `${workflow.workflow_id} dead`, text: `${workflow.workflow_id} has ${countOf(nFailed, "failed event")}.`, remedy: "Read and replay", address: letters, tone: "warn" });
    }
  }
  if (workers.value?.held) {
    matters.push({ key: "held", text: `${countOf(workers.value.held, "worker")} held by HTCondor.`, remedy: "Find them", address: "#/operators?tab=taskforces", tone: "bad" });
  }
  for (const approval of approvals.value?.results ?? []) {
    const address = approval.workflow_job ? writePlace(["trees", "runs", String(approval.workflow_job)]) : "#/trees?tab=approvals";
    matters.push({ key: `approval ${approval.id}`, text: `“${approval.name}” waits for an approval.`, remedy: "Decide", address, tone: "warn" });
  }
  for (const state of ["failed", "inconsistent_data", "api_unavailable", "suspended"]) {
    const count = processes.value?.process_counts[state] ?? 0;
    if (count) {
      const text = state === "suspended" ? `${countOf(count, "process", "processes")} wait for somebody to fill in a form.` : `${countOf(count, "process", "processes")}: ${state.replace(/_/g, " ")}.`;
      matters.push({ key: state, text, remedy: "Show", address: writePlace(["processes"], { status: state }), tone: state === "suspended" ? "warn" : "bad" });
    }
  }
  return (
    <Card title="Needs attention">
      {matters.length === 0 ? (
        <p class="quiet">{overview.value ? "Nothing waits for you, and nothing is stalled." : "Looking …"}</p>
      ) : (
        matters.map((matter) => (
          <div class={`notice ${matter.tone}`} key={matter.key}>
            {matter.text} <a href={matter.address}>{matter.remedy}</a>
          </div>
        ))
      )}
    </Card>
  );
}

function UnderWay({ overview }: { overview: Overview }): VNode {
  if (!overview.rows.length) {
    return (
      <Empty>
        No workflow is under way. <code>ewms workflow submit FILE</code> starts one.
      </Empty>
    );
  }
  const details = new Map(overview.details.map((each) => [each.workflow_id, each]));
  return (
    <Table
      caption="Workflows under way"
      rows={overview.rows}
      keyOf={(row) => row.id}
      columns={[
        { title: "Workflow", isId: true, cell: (row) => <a href={writePlace(["workflows", row.id])}>{row.id}</a> },
        { title: "State", cell: (row) => (details.get(row.id)?.health?.stalled ? <Badge state="stalled" /> : <Badge state={row.state} />) },
        { title: "Progress", cell: (row) => <ProgressBar progress={details.get(row.id)?.progress ?? null} /> },
        { title: "Began", cell: (row) => <Ago at={row.beganAt} /> },
      ]}
    />
  );
}

function Throughput({ details, seenAt }: { details: WorkflowSeen[]; seenAt: number }): VNode {
  const [points, setPoints] = useState<RatePoint[]>([]);
  const before = useRef<{ at: number; done: Map<string, number> } | null>(null);
  useEffect(() => {
    if (!seenAt) {
      return;
    }
    const done = new Map(details.map((each) => [each.workflow_id, each.progress?.n_done ?? 0]));
    setPoints((old) => addRate(old, before.current, { at: seenAt, done }));
    before.current = { at: seenAt, done };
  }, [seenAt]);
  if (points.length < 2) {
    return <p class="quiet">The rate is measured while this page is open. It appears after some seconds.</p>;
  }
  const last = points[points.length - 1];
  return (
    <Plot
      label={`Events done a second over the last minutes, now ${describeNumber(last?.rate ?? 0)}`}
      times={points.map((point) => point.at / 1000)}
      series={[{ name: "events/s", values: points.map((point) => point.rate), color: "--accent" }]}
      height={150}
    />
  );
}
