/** Check JSON lines before they are published, and split them into requests. (core) */

/** The limits of the gateway: bytes of one event, and events and bytes of one request. */
export const MAX_EVENT_BYTES = 4 * 1024 * 1024;
export const MAX_EVENTS_AT_ONCE = 10_000;
export const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** A browser holds a file several times while it checks it. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MOST_FAULTS = 20;

export interface LineFault {
  line: number;
  text: string;
}

export interface CheckedLines {
  nEvents: number;
  nBytes: number;
  /** The first faults; `nFaults` counts all. */
  faults: LineFault[];
  nFaults: number;
  /** The texts of the requests that publish the lines, in order, each with the number of its events. */
  batches: Array<{ lines: string; nEvents: number }>;
}

const encoder = new TextEncoder();

/** Check every line of `text`. With a `key`, each line must be an object that has this field. */
export function checkLines(text: string, key: string): CheckedLines {
  const checked: CheckedLines = { nEvents: 0, nBytes: 0, faults: [], nFaults: 0, batches: [] };
  let kept: string[] = [];
  let keptBytes = 0;
  const endBatch = (): void => {
    if (kept.length) {
      checked.batches.push({ lines: kept.join("\n"), nEvents: kept.length });
    }
    kept = [];
    keptBytes = 0;
  };
  // Only a line feed ends a line: JSON may hold other breaks.
  for (const [place, whole] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const line = whole.replace(/\r$/, "");
    if (!line.trim()) {
      continue;
    }
    checked.nEvents += 1;
    const nBytes = encoder.encode(line).length;
    checked.nBytes += nBytes;
    const fault = findFault(line, nBytes, key);
    if (fault) {
      checked.nFaults += 1;
      if (checked.faults.length < MOST_FAULTS) {
        checked.faults.push({ line: place + 1, text: fault });
      }
      continue;
    }
    // In the body of the request the line is a JSON text.
    const bodyBytes = encoder.encode(JSON.stringify(line)).length;
    if (kept.length === MAX_EVENTS_AT_ONCE || (kept.length && keptBytes + bodyBytes > MAX_REQUEST_BYTES)) {
      endBatch();
    }
    kept.push(line);
    keptBytes += bodyBytes;
  }
  endBatch();
  return checked;
}

function findFault(line: string, nBytes: number, key: string): string {
  if (nBytes > MAX_EVENT_BYTES) {
    return `has ${nBytes} bytes; an event has at most ${MAX_EVENT_BYTES}. Put the data into a file that tasks can reach, and send its name.`;
  }
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `is not JSON (${reason.slice(0, 120)}). Write one JSON value, and a text in quotes.`;
  }
  if (!key) {
    return "";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `is no object, so it has no field “${key}” for its key. Leave the key empty, or write objects.`;
  }
  return Object.hasOwn(value, key) ? "" : `has no field “${key}” for its key. Its fields: ${Object.keys(value).slice(0, 10).join(", ") || "none"}.`;
}
