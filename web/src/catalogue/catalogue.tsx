/** The catalogue: tasks with their versions and builds, inventories, and jobs by host. */

import type { VNode } from "preact";
import type { InventoriesAnswer, JobsAnswer, TasksAnswer } from "../api/generated/craton.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, PageHead, Table, Tabs } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeNumber } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { HostBars } from "./host_bars.tsx";

const TABS: ReadonlyArray<readonly [string, string]> = [
  ["tasks", "Tasks"],
  ["jobs", "Jobs"],
  ["inventories", "Inventories"],
];
const SLOW_MS = 6_000;

export function Catalogue(): VNode {
  const tab = usePlace().query["tab"] ?? "tasks";
  return (
    <>
      <PageHead title="Catalogue" />
      <Tabs tabs={TABS} chosen={tab} />
      {tab === "jobs" ? <JobList /> : tab === "inventories" ? <InventoryList /> : <TaskList />}
    </>
  );
}

function TaskList(): VNode {
  const api = useApi();
  const tasks = usePolled("tasks", () => api.get<TasksAnswer>("/v1/tasks"), SLOW_MS);
  return (
    <Card title="Tasks">
      <Shown of={tasks} what="the tasks">
        {(found) =>
          found.tasks.length === 0 ? (
            <Empty>The catalogue has no tasks. `ewms task register` makes one.</Empty>
          ) : (
            <Table
              caption="Tasks of the catalogue"
              rows={found.tasks}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "Task", cell: (row) => <a href={writePlace(["catalogue", "tasks", String(row.id)])}>{row.name}</a> },
                { title: "Organization", cell: (row) => row.organization },
                { title: "Status", cell: (row) => <Badge state={row.status} /> },
                { title: "Ready version", isNumber: true, cell: (row) => row.ready_version ?? "–" },
                { title: "Newest version", isNumber: true, cell: (row) => row.latest_version },
                { title: "Changed", cell: (row) => <Ago at={row.changed_at} /> },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

function JobList(): VNode {
  const api = useApi();
  const jobs = usePolled("jobs", () => api.get<JobsAnswer>("/v1/jobs"), SLOW_MS);
  return (
    <Card title="Jobs on hosts">
      <Shown of={jobs} what="the jobs">
        {(found) =>
          found.jobs.length === 0 ? (
            <Empty>No job has run. `ewms job run` starts one.</Empty>
          ) : (
            <Table
              caption="Jobs, the newest first"
              rows={found.jobs}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "Job", cell: (row) => <a href={writePlace(["catalogue", "jobs", String(row.id)])}>{row.title || `job ${row.id}`}</a> },
                { title: "Status", cell: (row) => <Badge state={row.status} /> },
                { title: "Inventory", cell: (row) => row.inventory_name },
                { title: "Hosts", cell: (row) => <HostBars hosts={row.hosts} /> },
                { title: "By", cell: (row) => row.owner },
                { title: "Began", cell: (row) => <Ago at={row.started_at ?? row.created_at} /> },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

function InventoryList(): VNode {
  const api = useApi();
  const inventories = usePolled("inventories", () => api.get<InventoriesAnswer>("/v1/inventories"), SLOW_MS);
  return (
    <Card title="Inventories">
      <Shown of={inventories} what="the inventories">
        {(found) =>
          found.inventories.length === 0 ? (
            <Empty>There are no inventories. `ewms inventory create` makes one.</Empty>
          ) : (
            <Table
              caption="Inventories with their hosts"
              rows={found.inventories}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "Inventory", cell: (row) => <a href={writePlace(["catalogue", "inventories", String(row.id)])}>{row.name}</a> },
                { title: "Organization", cell: (row) => row.organization },
                { title: "Hosts", isNumber: true, cell: (row) => describeNumber(row.n_hosts) },
                { title: "Groups", isNumber: true, cell: (row) => describeNumber(row.n_groups) },
                { title: "About", cell: (row) => row.description },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}
