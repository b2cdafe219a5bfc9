/** For operators: the services, the places where workers run, the taskforces that need help, step workers. */

import type { VNode } from "preact";
import type { ServicesAnswer } from "../api/generated/ewms.ts";
import type { LockStatus, WorkerStatus } from "../api/generated/processes.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Ago, Badge, Card, Facts, PageHead, Table, Tabs } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeNumber } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { countWorkers, listHoldReasons } from "../workflow/worker_counts.ts";
import { AuditLog } from "./audit_log.tsx";
import { PlaceList } from "./place_list.tsx";
import { Stuck } from "./stuck.tsx";
import { useTaskforces } from "./taskforces.ts";

const TABS: ReadonlyArray<readonly [string, string]> = [
  ["services", "Services"],
  ["places", "Places"],
  ["stuck", "Stuck"],
  ["taskforces", "Taskforces in trouble"],
  ["pools", "Step workers"],
  ["audit", "Audit log"],
];

export function Operators(): VNode {
  const place = usePlace();
  const tab = place.query["tab"] ?? "services";
  return (
    <>
      <PageHead title="Operators" />
      <Tabs tabs={TABS} chosen={tab} />
      {findTab(tab)}
    </>
  );
}

function findTab(tab: string): VNode {
  switch (tab) {
    case "places":
      return <PlaceList />;
    case "stuck":
      return <Stuck />;
    case "taskforces":
      return <InTrouble />;
    case "pools":
      return <Pools />;
    case "audit":
      return <AuditLog />;
    default:
      return <Services />;
  }
}

function Services(): VNode {
  const api = useApi();
  const ready = usePolled("readyz", async () => {
    const [version, health] = await Promise.all([
      api.get<{ service: string; version: string }>("/version"),
      api.get<Record<string, unknown>>("/readyz").then((value) => ({ value, problem: "" }), (failure: unknown) => ({ value: {}, problem: String(failure) })),
    ]);
    return { version, health };
  });
  const services = usePolled("services", () => api.get<ServicesAnswer>("/v1/services"), 60_000);
  const lock = usePolled("lock", () => api.get<LockStatus>("/api/settings/status"), 8_000);
  const setLock = (locked: boolean) => async (): Promise<string> => {
    await api.send("PUT", "/api/settings/status", { global_lock: locked });
    lock.refresh();
    return locked ? "No new step begins." : "Steps go on.";
  };
  return (
    <div class="columns">
      <Card title="The gateway">
        <Shown of={ready} what="the gateway">
          {({ version, health }) => (
            <Facts
              of={[
                ["Version", version.version],
                ["Ready", health.problem ? <Badge state={health.problem} tone="bad" /> : <Badge state="ready" />],
                ...Object.entries(health.value).map(([name, value]): [string, VNode | string] => [name, typeof value === "object" ? <code>{JSON.stringify(value)}</code> : String(value)]),
              ]}
            />
          )}
        </Shown>
      </Card>
      <Card title="The services">
        <Shown of={services} what="the services">
          {(found) => (
            <Table
              caption="Services with their versions"
              rows={found.services}
              keyOf={(row) => `${row.service} ${row.schedd ?? ""}`}
              columns={[
                { title: "Service", cell: (row) => <b>{row.service}</b> },
                { title: "Schedd", cell: (row) => row.schedd ?? "–" },
                { title: "Version", cell: (row) => row.version ?? <span class="quiet">{row.problem}</span> },
              ]}
            />
          )}
        </Shown>
      </Card>
      <Card title="The engine of processes">
        <Shown of={lock} what="the engine">
          {(found) => (
            <>
              <Facts of={[["State", <Badge state={found.global_status} tone={found.global_lock ? "warn" : "good"} />], ["Steps under way", describeNumber(found.running_processes)]]} />
              <p />
              {found.global_lock ? (
                <Action text="Let steps begin" isMain act={setLock(false)} />
              ) : (
                <Action text="Keep new steps from beginning" act={setLock(true)} question="No new step of any process begins until somebody takes the lock away." />
              )}
            </>
          )}
        </Shown>
      </Card>
    </div>
  );
}

function InTrouble(): VNode {
  const taskforces = useTaskforces();
  return (
    <Card title="Taskforces with held workers, or with none at all">
      <Shown of={taskforces} what="the taskforces">
        {(found) => {
          const rows = found.filter((each) => {
            const counts = countWorkers([each.compound_statuses]);
            return counts.held > 0 || (each.phase === "condor-submit" && counts.running === 0);
          });
          return rows.length === 0 ? (
            <Empty>No taskforce has held workers, and each has some that run.</Empty>
          ) : (
            <Table
              caption="Taskforces in trouble"
              rows={rows}
              keyOf={(row) => row.taskforce_uuid}
              columns={[
                { title: "Taskforce", isId: true, cell: (row) => row.taskforce_uuid },
                { title: "Workflow", isId: true, cell: (row) => <a href={writePlace(["workflows", row.workflow_id], { tab: "taskforces" })}>{row.workflow_id}</a> },
                { title: "Schedd", cell: (row) => row.schedd },
                { title: "Running", isNumber: true, cell: (row) => countWorkers([row.compound_statuses]).running },
                { title: "Waiting", isNumber: true, cell: (row) => countWorkers([row.compound_statuses]).idle },
                { title: "Held", isNumber: true, cell: (row) => countWorkers([row.compound_statuses]).held },
                { title: "Why held", cell: (row) => listHoldReasons([row.compound_statuses]).map(([reason, n]) => `${n}: ${reason}`).join("; ") || "–" },
              ]}
            />
          );
        }}
      </Shown>
    </Card>
  );
}

function Pools(): VNode {
  const api = useApi();
  const pools = usePolled("step workers", () => api.get<WorkerStatus>("/api/settings/worker-status"), 8_000);
  return (
    <Card title="Pools of step workers">
      <Shown of={pools} what="the step workers">
        {(found) => {
          return found.pools.length === 0 ? (
            <Empty>No step worker is there. `ewms worker --module MODULE` starts one.</Empty>
          ) : (
            found.pools.map((pool) => (
              <section class="card" key={pool.name} aria-label={pool.name}>
                <h3>
                  {pool.name}: {describeNumber(pool.n_running)} steps under way
                </h3>
                <Table
                  caption={`Workers of ${pool.name}`}
                  rows={pool.workers}
                  keyOf={(row) => row.name}
                  columns={[
                    { title: "Worker", cell: (row) => <b>{row.name}</b> },
                    { title: "Steps", isNumber: true, cell: (row) => row.n_running },
                    { title: "Heard", cell: (row) => <Ago at={row.seen_at} /> },
                    { title: "Since", cell: (row) => <Ago at={row.since} /> },
                    { title: "Offers", cell: (row) => row.workflows.join(", ") },
                  ]}
                />
              </section>
            ))
          );
        }}
      </Shown>
    </Card>
  );
}
