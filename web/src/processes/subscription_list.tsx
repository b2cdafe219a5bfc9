/** Subscriptions: what the processes of an organization have made. */

import type { VNode } from "preact";
import type { Answers, ProcessSummary } from "../api/generated/processes.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, Card, Facts, Json, PageHead, Table } from "../parts/basics.tsx";
import { Explained } from "../parts/explained.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";

type Subscription = Answers["GET /api/subscriptions/{subscription_id}"];
type Whole = Answers["GET /api/subscriptions/domain-model/{subscription_id}"];

export function SubscriptionList(): VNode {
  const api = useApi();
  const listed = usePolled("subscriptions", () => api.get<Subscription[]>("/api/subscriptions?range=0,199"), 10_000);
  return (
    <Card title="Subscriptions">
      <Shown of={listed} what="the subscriptions">
        {(found) =>
          found.length === 0 ? (
            <Empty>There are no subscriptions. A process that creates one shows it here.</Empty>
          ) : (
            <Table
              caption="Subscriptions with their products"
              rows={found}
              keyOf={(row) => row.subscription_id}
              columns={[
                { title: "Subscription", isId: true, cell: (row) => <a href={writePlace(["processes", "subscriptions", row.subscription_id])}>{row.subscription_id.slice(0, 8)}</a> },
                { title: "What it is", cell: (row) => String((row as Record<string, unknown>)["description"] ?? "") },
                { title: "Product", cell: (row) => row.product.name },
                { title: "Status", cell: (row) => <Badge state={String(row.status)} /> },
                { title: "In sync", cell: (row) => (row.insync ? "yes" : <Badge state="a process works on it" tone="busy" />) },
              ]}
            />
          )
        }
      </Shown>
    </Card>
  );
}

export function SubscriptionPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = encodeURIComponent(id);
  const whole = usePolled(`subscription ${id}`, () => api.get<Whole>(`/api/subscriptions/domain-model/${path}`), 8_000);
  const history = usePolled(`subscription history ${id}`, () => api.get<ProcessSummary[]>(`/api/subscriptions/${path}/processes`), 8_000);
  return (
    <>
      <PageHead title={`Subscription ${id.slice(0, 8)}`} crumbs={[["Processes", "#/processes"], ["Subscriptions", "#/processes?tab=subscriptions"]]} />
      <Shown of={whole} what="the subscription">
        {(found) => (
          <Card title={found.product.name}>
            <Facts
              of={[
                ["Status", <Badge state={found.status} />],
                ["In sync", found.insync ? "yes" : "no, a process works on it"],
                ["Depends on", found.depends_on.join(", ") || "nothing"],
                ["Used by", found.in_use_by.join(", ") || "nothing"],
              ]}
            />
            <details>
              <summary>All its values</summary>
              <Json value={found} />
            </details>
          </Card>
        )}
      </Shown>
      <Explained path={`/api/subscriptions/${path}/explain`} title="What may start on it" nothing="No workflow belongs to its product." />
      <Card title="Its history">
        <Shown of={history} what="its processes">
          {(found) =>
            found.length === 0 ? (
              <Empty>No process has worked on it.</Empty>
            ) : (
              <Table
                caption="Processes of this subscription"
                rows={found}
                keyOf={(row) => row.process_id}
                columns={[
                  { title: "Process", cell: (row) => <a href={writePlace(["processes", row.process_id])}>{row.workflow_name}</a> },
                  { title: "Status", cell: (row) => <Badge state={row.status} /> },
                  { title: "By", cell: (row) => row.created_by },
                  { title: "Began", cell: (row) => <Ago at={row.started_at ?? row.created_at} /> },
                ]}
              />
            )
          }
        </Shown>
      </Card>
    </>
  );
}
