/** Trees: templates to launch, their runs, and the approvals that wait. */

import type { VNode } from "preact";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Ago, Badge, Card, PageHead, Table, Tabs } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import type { Approval, Page, Template, TreeJob } from "./awx_objects.ts";

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
      {tab === "runs" ? <Runs /> : tab === "approvals" ? <Approvals /> : <Templates />}
    </>
  );
}

function Templates(): VNode {
  const api = useApi();
  const path = "/api/v2/workflow_job_templates/?page_size=200&order_by=name";
  const templates = usePolled(path, () => api.get<Page<Template>>(path), 8_000);
  return (
    <Card title="Templates">
      <Shown of={templates} what="the templates">
        {(found) =>
          found.results.length === 0 ? (
            <Empty>There are no templates. `ewms tree apply FILE` makes one.</Empty>
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

function Runs(): VNode {
  const api = useApi();
  const path = "/api/v2/workflow_jobs/?page_size=100&order_by=-id";
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

function Approvals(): VNode {
  const api = useApi();
  const path = "/api/v2/workflow_approvals/?status=pending&page_size=200";
  const approvals = usePolled(path, () => api.get<Page<Approval>>(path));
  const decide = (id: number, how: "approve" | "deny") => async (): Promise<string> => {
    await api.send("POST", `/api/v2/workflow_approvals/${id}/${how}/`, {});
    approvals.refresh();
    return how === "approve" ? "Approved." : "Denied.";
  };
  return (
    <Card title="Approvals that wait">
      <Shown of={approvals} what="the approvals">
        {(found) =>
          found.results.length === 0 ? (
            <Empty>Nothing waits for an approval.</Empty>
          ) : (
            <Table
              caption="Approvals that wait"
              rows={found.results}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "What", cell: (row) => <b>{row.name}</b> },
                { title: "Since", cell: (row) => <Ago at={row.created} /> },
                {
                  title: "Your decision",
                  cell: (row) => (
                    <span class="row">
                      <Action text="Approve" isMain act={decide(row.id, "approve")} question={`Approve “${row.name}”? The tree goes on.`} />
                      <Action text="Deny" isDanger act={decide(row.id, "deny")} question={`Deny “${row.name}”? The tree takes its failure edges.`} />
                    </span>
                  ),
                },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}
