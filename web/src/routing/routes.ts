/** The page's addresses: `#/workflows/WF-1?tab=queues` names a place and its state, so that a link shows the same. (core) */

export interface Place {
  /** The parts of the path, decoded. */
  parts: string[];
  query: Record<string, string>;
}

export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decodePart);
  return { parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Return the address of a place. Leave out empty parts of the query. */
export function writePlace(parts: readonly string[], query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((each): each is [string, string] => Boolean(each[1]));
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Return the address of the same place with another query. */
export function changeQuery(place: Place, change: Record<string, string | undefined>): string {
  return writePlace(place.parts, { ...place.query, ...change });
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
