/** Ask for the rows of the audit log, and write them for people. (core) */

export interface AuditWish {
  who: string;
  did: string;
  kind: string;
  /** Local date and time, as a field of the kind `datetime-local` gives it. */
  since: string;
  /** The id before which the page begins; empty: the newest rows. */
  before: string;
  pageSize: number;
}

/** Return the query of a page of the audit log. */
export function writeAuditQuery({ who, did, kind, since, before, pageSize }: AuditWish): string {
  const at = since ? new Date(since) : null;
  const given: Array<[string, string]> = [
    ["who", who],
    ["operation", did],
    ["kind", kind],
    ["since", at && !Number.isNaN(at.getTime()) ? at.toISOString() : ""],
    ["before", before],
    ["limit", String(pageSize)],
  ];
  return new URLSearchParams(given.filter(([, value]) => value)).toString();
}

/** Return what a row is about, such as `workflow job template node deploy`. */
export function nameObject({ kind, name, object_id }: { kind: string; name: string; object_id: number | string }): string {
  return `${kind.replaceAll("_", " ")} ${name || object_id}`;
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
