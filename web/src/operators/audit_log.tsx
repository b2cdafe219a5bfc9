/** Who changed what: templates, nodes, schedules, roles, launches and decisions, as far as the caller may see them. */

import type { VNode } from "preact";
import { usePolled } from "../api/polling.ts";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { Pages, usePageNumber } from "../parts/pages.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import type { Page } from "../trees/awx_objects.ts";
import { type AuditRow, describeChanges, nameObjects, writeAuditQuery } from "./audit_rows.ts";

const OPERATIONS = ["", "create", "update", "delete", "associate", "disassociate"];
const PAGE_SIZE = 50;

export function AuditLog(): VNode {
  const api = useApi();
  const { who = "", did = "", kind = "", since = "" } = usePlace().query;
  const page = usePageNumber();
  const path = `/api/v2/activity_stream/?${writeAuditQuery({ who, did, kind, since, page: page + 1, pageSize: PAGE_SIZE })}`;
  const changes = usePolled(path, () => api.get<Page<AuditRow>>(path), 10_000);
  // A filter begins at the first page again.
  const choose = (name: string, value: string): void => replaceQuery({ [name]: value, page: undefined });
  return (
    <>
      <div class="row card fields">
        <div class="field">
          <label for="audit-who">Who</label>
          <input id="audit-who" type="search" value={who} onChange={(event) => choose("who", event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="audit-did">Did</label>
          <select id="audit-did" value={did} onChange={(event) => choose("did", event.currentTarget.value)}>
            {OPERATIONS.map((each) => (
              <option key={each} value={each}>
                {each || "anything"}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="audit-kind">To objects of the kind</label>
          <input id="audit-kind" type="search" placeholder="workflow_job" value={kind} onChange={(event) => choose("kind", event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="audit-since">Since</label>
          <input id="audit-since" type="datetime-local" value={since} onChange={(event) => choose("since", event.currentTarget.value)} />
        </div>
      </div>
      <Card title="Who changed what">
        <Shown of={changes} what="the audit log">
          {(found) =>
            found.results.length === 0 ? (
              <Empty>No change that you may see fits these filters.</Empty>
            ) : (
              <>
                <Table
                  caption="Changes, the newest first"
                  rows={found.results}
                  keyOf={(row) => String(row.id)}
                  columns={[
                    { title: "When", isId: true, cell: (row) => describeInstant(row.timestamp) },
                    { title: "Who", cell: (row) => row.summary_fields.actor?.username ?? <span class="quiet">EWMS</span> },
                    { title: "Did", cell: (row) => <Badge state={row.operation} tone={row.operation === "delete" ? "bad" : ""} /> },
                    { title: "To", cell: (row) => nameObjects(row) },
                    { title: "Change", cell: (row) => describeChanges(row.changes) },
                  ]}
                />
                <Pages page={page} pageSize={PAGE_SIZE} nShown={found.results.length} total={found.count} />
              </>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
