/** What does not move by itself: stalled workflows, processes that halted, approvals that wait. */

import type { VNode } from "preact";
import type { ProcessSummary } from "../api/generated/processes.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { useWorkflowNews } from "../stream/workflow_news.ts";
import { ApprovalTable } from "../trees/approvals.tsx";

const HALTED = "/api/processes?filter=last_status,failed,last_status,inconsistent_data,last_status,api_unavailable&sort=started_at,desc&range=0,99";

export function Stuck(): VNode {
  return (
    <>
      <StalledWorkflows />
      <HaltedProcesses />
      <ApprovalTable />
    </>
  );
}

function StalledWorkflows(): VNode {
  const heard = useWorkflowNews();
  const rows = [...(heard?.news.values() ?? [])].filter((each) => each.stalled_since !== null && !each.outcome);
  return (
    <Card title="Stalled workflows">
      {heard === null ? (
        <p class="quiet">The gateway’s stream of news is not there, so the page does not know. Each workflow’s own page says whether it is stalled.</p>
      ) : rows.length === 0 ? (
        <Empty>No workflow is stalled.</Empty>
      ) : (
        <Table
          caption="Stalled workflows, and why"
          rows={rows}
          keyOf={(row) => row.workflow_id}
          columns={[
            { title: "Workflow", isId: true, cell: (row) => <a href={writePlace(["workflows", row.workflow_id])}>{row.workflow_id}</a> },
            { title: "Since", cell: (row) => <Ago at={row.stalled_since} /> },
            { title: "Why", cell: (row) => row.problems.join(" ") },
          ]}
        />
      )}
    </Card>
  );
}

function HaltedProcesses(): VNode {
  const api = useApi();
  const halted = usePolled(HALTED, () => api.get<ProcessSummary[]>(HALTED), 8_000);
  return (
    <Card title="Processes that halted">
      <Shown of={halted} what="the processes">
        {(found) =>
          found.length === 0 ? (
            <Empty>No process waits for somebody to retry or abort it.</Empty>
          ) : (
            <Table
              caption="Halted processes, the newest first"
              rows={found}
              keyOf={(row) => row.process_id}
              columns={[
                { title: "Process", cell: (row) => <a href={writePlace(["processes", row.process_id])}>{row.workflow_name}</a> },
                { title: "Status", cell: (row) => <Badge state={row.status} /> },
                { title: "Step", cell: (row) => row.last_step ?? "–" },
                { title: "Why", cell: (row) => row.failed_reason ?? row.explanation },
                { title: "Began", cell: (row) => <Ago at={row.started_at ?? row.created_at} /> },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}
