/** Write numbers, instants and states for people. (core) */

const UNITS: ReadonlyArray<readonly [number, string]> = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** Return a duration in its two largest units, such as `3 h 20 min`. */
export function describeAge(milliseconds: number): string {
  let left = Math.max(0, milliseconds);
  const parts: string[] = [];
  for (const [size, name] of UNITS) {
    const count = Math.floor(left / size);
    if (count > 0 || (name === "s" && parts.length === 0)) {
      parts.push(`${count} ${name}`);
      left -= count * size;
    } else if (parts.length > 0) {
      break;
    }
    if (parts.length === 2) {
      break;
    }
  }
  return parts.join(" ");
}

export function describeNumber(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

export function describeBytes(bytes: number): string {
  if (bytes < 1024) {
    return `${bytes} B`;
  }
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${describeNumber(bytes / 1024 ** power)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** Return an instant of the interface, which is ISO 8601 or seconds, in milliseconds; null if there is none. */
export function readInstant(value: string | number | null | undefined): number | null {
  if (value === null || value === undefined || value === "") {
    return null;
  }
  const instant = typeof value === "number" ? value * 1000 : Date.parse(value);
  return Number.isNaN(instant) ? null : instant;
}

/** Return local date and time without a fraction, such as `2026-11-30 02:58:00`. */
export function describeInstant(value: string | number | null | undefined): string {
  const instant = readInstant(value);
  if (instant === null) {
    return "–";
  }
  const local = new Date(instant - new Date(instant).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}

export function describeSince(value: string | number | null | undefined, now: number): string {
  const instant = readInstant(value);
  return instant === null ? "–" : `${describeAge(now - instant)} ago`;
}

/** Return how long something took; "–" until it has ended. */
export function describeSpan(from: string | null, to: string | null): string {
  const [began, ended] = [readInstant(from), readInstant(to)];
  return began === null || ended === null ? "–" : describeAge(ended - began);
}

export function countOf(count: number, noun: string, plural = `${noun}s`): string {
  return `${describeNumber(count)} ${count === 1 ? noun : plural}`;
}

export type Tone = "good" | "warn" | "bad" | "busy" | "";

const TONES: Readonly<Record<string, Tone>> = {
  done: "good", completed: "good", complete: "good", success: "good", successful: "good", ok: "good", active: "good",
  ready: "good", approved: "good", finished: "good", skipped: "", created: "", new: "",
  running: "busy", resumed: "busy", pending: "busy", building: "busy", pulling: "busy", waiting: "busy", "under way": "busy",
  suspended: "warn", suspend: "warn", awaiting_callback: "warn", stalled: "warn", "done with failures": "warn", canceled: "warn",
  aborted: "warn", abort: "warn", rejected: "bad", "waiting for approval": "warn", disabled: "warn", unreachable: "bad",
  failed: "bad", dead: "bad", error: "bad", inconsistent_data: "bad", api_unavailable: "bad", held: "bad",
};

/** Return how a state looks: good, busy, a warning, bad, or plain. */
export function chooseTone(state: string): Tone {
  return TONES[state.toLowerCase()] ?? "";
}
