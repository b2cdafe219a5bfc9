/** One inventory: its hosts and groups. */

import type { VNode } from "preact";
import type { HostsAnswer, InventorySeen } from "../api/generated/craton.ts";
import { usePolled } from "../api/polling.ts";
import { Card, Facts, Json, PageHead, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { useApi } from "../session/session.ts";

const SLOW_MS = 15_000;

export function InventoryPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/v1/inventories/${encodeURIComponent(id)}`;
  const inventory = usePolled(path, () => api.get<InventorySeen>(path), SLOW_MS);
  const address = `/v1/hosts?inventory=${encodeURIComponent(id)}&limit=200`;
  const hosts = usePolled(address, () => api.get<HostsAnswer>(address), SLOW_MS);
  return (
    <>
      <PageHead title={inventory.value?.name ?? `Inventory ${id}`} crumbs={[["Catalogue", "#/catalogue"], ["Inventories", "#/catalogue?tab=inventories"]]} />
      <Shown of={inventory} what="the inventory">
        {(found) => (
          <Card title="About it">
            <Facts
              of={[
                ["About", found.description || "–"],
                ["Organization", found.organization],
                ["Hosts", String(found.n_hosts)],
                ["Groups", found.groups.map((each) => each.name).join(", ") || "none"],
              ]}
            />
            <details>
              <summary>Variables</summary>
              <Json value={found.variables} />
            </details>
          </Card>
        )}
      </Shown>
      <Card title="Hosts">
        <Shown of={hosts} what="the hosts">
          {(found) =>
            found.hosts.length === 0 ? (
              <Empty>The inventory has no hosts.</Empty>
            ) : (
              <>
                <Table
                  caption="Hosts of the inventory"
                  rows={found.hosts}
                  keyOf={(row) => String(row.id)}
                  columns={[
                    { title: "Host", cell: (row) => <b>{row.name}</b> },
                    { title: "Groups", cell: (row) => row.groups.join(", ") || "–" },
                    { title: "Labels", cell: (row) => row.labels.join(", ") || "–" },
                    { title: "Variables", cell: (row) => <code>{JSON.stringify(row.variables)}</code> },
                  ]}
                />
                {found.next === null ? null : <p class="quiet">The first 200 are shown.</p>}
              </>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
