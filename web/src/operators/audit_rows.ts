/** Ask for the rows of the audit log, and write them for people. (core) */

import { isRecord } from "../api/problems.ts";

/** A row of the activity stream. */
export interface AuditRow {
  id: number;
  timestamp: string;
  operation: string;
  object_type: string;
  object2: string;
  changes: Record<string, unknown>;
  summary_fields: { actor?: { username: string } } & Record<string, unknown>;
}

export interface AuditWish {
  who: string;
  did: string;
  kind: string;
  /** Local date and time, as a field of the kind `datetime-local` gives it. */
  since: string;
  page: number;
  pageSize: number;
}

/** Return the query of a page of the audit log. */
export function writeAuditQuery({ who, did, kind, since, page, pageSize }: AuditWish): string {
  const at = since ? new Date(since) : null;
  const given: Array<[string, string]> = [
    ["actor__username", who],
    ["operation", did],
    ["object_type", kind],
    ["timestamp__gte", at && !Number.isNaN(at.getTime()) ? at.toISOString() : ""],
    ["order_by", "-id"],
    ["page", String(page)],
    ["page_size", String(pageSize)],
  ];
  return new URLSearchParams(given.filter(([, value]) => value)).toString();
}

/** Return what a row is about, such as `workflow job template node deploy`. */
export function nameObjects(row: AuditRow): string {
  const kinds = Object.entries(row.summary_fields).filter(([kind]) => kind !== "actor");
  const named = kinds.flatMap(([kind, objects]) =>
    (Array.isArray(objects) ? objects : [objects]).filter(isRecord).map((each) => `${kind.replaceAll("_", " ")} ${String(each["name"] ?? each["id"] ?? "")}`.trim()),
  );
  return named.join(", ") || row.object_type.replaceAll("_", " ");
}

/** Return the changed fields, such as `name: a → b; success nodes: deploy`. */
export function describeChanges(changes: Readonly<Record<string, unknown>>): string {
  return Object.entries(changes)
    .map(([field, value]) => {
      const texts = Array.isArray(value) && value.length === 2 ? value.map(writeValue).join(" → ") : writeValue(value);
      return `${field.replaceAll("_", " ")}: ${texts}`;
    })
    .join("; ");
}

function writeValue(value: unknown): string {
  if (value === null || value === "") {
    return "nothing";
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
