/** Approvals that wait for a person, of all trees or of one run. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Ago, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import type { Approval, Page } from "./awx_objects.ts";

const WAITING = "/api/v2/workflow_approvals/?status=pending&page_size=200";

/** Show the approvals that wait. With `run` only those of this run, and nothing if there are none. */
export function ApprovalTable({ run }: { run?: number }): VNode | null {
  const api = useApi();
  const approvals = usePolled(WAITING, () => api.get<Page<Approval>>(WAITING));
  const isWanted = (approval: Approval): boolean => run === undefined || approval.summary_fields.source_workflow_job?.id === run;
  if (run !== undefined && !approvals.value?.results.some(isWanted)) {
    return null;
  }
  return (
    <Card title="Approvals that wait">
      <Shown of={approvals} what="the approvals">
        {(found) =>
          found.results.length === 0 ? (
            <Empty>Nothing waits for an approval.</Empty>
          ) : (
            <Table
              caption="Approvals with your decision"
              rows={found.results.filter(isWanted)}
              keyOf={(row) => String(row.id)}
              columns={[
                { title: "What", cell: (row) => <b>{row.name}</b> },
                { title: "In", cell: (row) => <RunLink approval={row} /> },
                { title: "Since", cell: (row) => <Ago at={row.created} /> },
                { title: "Fails at", cell: (row) => describeInstant(row.approval_expiration) },
                {
                  title: "Your decision",
                  cell: (row) => (row.can_approve_or_deny ? <Decision approval={row} refresh={approvals.refresh} /> : <span class="quiet">Another person decides.</span>),
                },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

function RunLink({ approval }: { approval: Approval }): VNode {
  const run = approval.summary_fields.source_workflow_job?.id;
  return run ? <a href={writePlace(["trees", "runs", String(run)])}>run {run}</a> : <>–</>;
}

function Decision({ approval, refresh }: { approval: Approval; refresh: () => void }): VNode {
  const api = useApi();
  const [comment, setComment] = useState("");
  const decide = (how: "approve" | "deny") => async (): Promise<string> => {
    await api.send("POST", `/api/v2/workflow_approvals/${approval.id}/${how}/`, comment ? { comment } : {});
    refresh();
    return how === "approve" ? "Approved." : "Denied.";
  };
  const field = (
    <div class="field">
      <label for={`comment-${approval.id}`}>Comment (may be empty)</label>
      <input id={`comment-${approval.id}`} autocomplete="off" value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
    </div>
  );
  return (
    <span class="row">
      <Action text="Approve" isMain act={decide("approve")} question={`Approve “${approval.name}”? The tree goes on.`}>
        {field}
      </Action>
      <Action text="Deny" isDanger act={decide("deny")} question={`Deny “${approval.name}”? The tree takes its failure edges.`}>
        {field}
      </Action>
    </span>
  );
}
