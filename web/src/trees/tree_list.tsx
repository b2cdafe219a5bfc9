/** Trees: templates to launch, their runs, and the approvals that wait. */

import type { VNode } from "preact";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, PageHead, Table, Tabs } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { ApprovalTable } from "./approvals.tsx";
import type { Page, Template, TreeJob } from "./awx_objects.ts";
import { NewTemplate } from "./new_template.tsx";

const TABS: ReadonlyArray<readonly [string, string]> = [
  ["templates", "Templates"],
  ["runs", "Runs"],
  ["approvals", "Approvals"],
];

export function TreeList(): VNode {
  const tab = usePlace().query["tab"] ?? "templates";
  return (
    <>
      <PageHead title="Trees" />
      <Tabs tabs={TABS} chosen={tab} />
      {tab === "runs" ? <RunTable path="/api/v2/workflow_jobs/?page_size=100&order_by=-id" /> : tab === "approvals" ? <ApprovalTable /> : <Templates />}
    </>
  );
}

function Templates(): VNode {
  const api = useApi();
  const path = "/api/v2/workflow_job_templates/?page_size=200&order_by=name";
  const templates = usePolled(path, () => api.get<Page<Template>>(path), 8_000);
  return (
    <Card title="Templates" more={<NewTemplate />}>
      <Shown of={templates} what="the templates">
        {(found) =>
          found.results.length === 0 ? (
            <Empty>There are no templates. “New template” makes one, and so does `ewms tree apply FILE`.</Empty>
          ) : (
            <Table
              caption="Templates of trees"
              rows={found.results}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "Template", cell: (row) => <a href={writePlace(["trees", "templates", String(row.id)])}>{row.name}</a> },
                { title: "What it does", cell: (row) => row.description },
                { title: "Last run", cell: (row) => <Badge state={row.status || "never"} /> },
                { title: "At", cell: (row) => <Ago at={row.last_job_run} /> },
                { title: "Next by schedule", cell: (row) => describeInstant(row.next_job_run) },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

/** Show the runs that `path` lists. */
export function RunTable({ path }: { path: string }): VNode {
  const api = useApi();
  const runs = usePolled(path, () => api.get<Page<TreeJob>>(path));
  return (
    <Card title="Runs">
      <Shown of={runs} what="the runs">
        {(found) =>
          found.results.length === 0 ? (
            <Empty>No tree has run yet.</Empty>
          ) : (
            <Table
              caption="Runs of trees, the newest first"
              rows={found.results}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "Run", isNumber: true, cell: (row) => <a href={writePlace(["trees", "runs", String(row.id)])}>{row.id}</a> },
                { title: "Template", cell: (row) => row.name },
                { title: "Status", cell: (row) => <Badge state={row.status} /> },
                { title: "By", cell: (row) => row.summary_fields.created_by?.username ?? "–" },
                { title: "Began", cell: (row) => <Ago at={row.started ?? row.created} /> },
                { title: "Ended", cell: (row) => describeInstant(row.finished) },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}
