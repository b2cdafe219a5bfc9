/** Who changed what, in all of EWMS, as far as the caller may see it. */

import type { VNode } from "preact";
import type { AuditAnswer } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { OlderPages } from "../parts/pages.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { describeChanges, nameObject, writeAuditQuery } from "./audit_rows.ts";

const OPERATIONS = ["", "create", "update", "delete", "associate", "disassociate"];
const PAGE_SIZE = 50;

export function AuditLog(): VNode {
  const api = useApi();
  const { who = "", did = "", kind = "", since = "", before = "" } = usePlace().query;
  const path = `/v1/audit?${writeAuditQuery({ who, did, kind, since, before, pageSize: PAGE_SIZE })}`;
  const changes = usePolled(path, () => api.get<AuditAnswer>(path), 10_000);
  // A filter begins at the first page again.
  const choose = (name: string, value: string): void => replaceQuery({ [name]: value, before: undefined });
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
          <input id="audit-kind" type="search" placeholder="workflow" value={kind} onChange={(event) => choose("kind", event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="audit-since">Since</label>
          <input id="audit-since" type="datetime-local" value={since} onChange={(event) => choose("since", event.currentTarget.value)} />
        </div>
      </div>
      <Card title="Who changed what">
        <Shown of={changes} what="the audit log">
          {(found) =>
            found.rows.length === 0 ? (
              <Empty>No change that you may see fits these filters.</Empty>
            ) : (
              <>
                <Table
                  caption="Changes, the newest first"
                  rows={found.rows}
                  keyOf={(row) => String(row.id)}
                  columns={[
                    { title: "When", isId: true, cell: (row) => describeInstant(row.at) },
                    { title: "Who", cell: (row) => row.who || <span class="quiet">EWMS</span> },
                    { title: "Did", cell: (row) => <Badge state={row.operation} tone={row.operation === "delete" ? "bad" : ""} /> },
                    { title: "To", cell: (row) => nameObject(row) },
                    { title: "Change", cell: (row) => describeChanges(row.changes) },
                  ]}
                />
                <OlderPages isOlder={before !== ""} nextBefore={found.next_before} />
              </>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
