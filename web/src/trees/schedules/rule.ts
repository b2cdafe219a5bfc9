/** Write a recurrence rule from a form's fields. The server reads and checks the text. (core) */

export type Frequency = "MINUTELY" | "HOURLY" | "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY";

export const FREQUENCIES: ReadonlyArray<readonly [Frequency, string]> = [
  ["MINUTELY", "minutes"],
  ["HOURLY", "hours"],
  ["DAILY", "days"],
  ["WEEKLY", "weeks"],
  ["MONTHLY", "months"],
  ["YEARLY", "years"],
];

export interface RuleFields {
  /** Local date and time in the zone: `2026-12-01T02:30`, as a field of the kind `datetime-local` gives it. */
  start: string;
  zone: string;
  frequency: Frequency;
  interval: number;
}

/** Return the rule, such as `DTSTART;TZID=Europe/Berlin:20261201T023000 RRULE:FREQ=DAILY;INTERVAL=1`. */
export function writeRule({ start, zone, frequency, interval }: RuleFields): string {
  const [date = "", time = ""] = start.split("T", 2);
  const stamp = `${date.replaceAll("-", "")}T${time.replaceAll(":", "").slice(0, 6).padEnd(6, "0")}`;
  return `DTSTART;TZID=${zone}:${stamp} RRULE:FREQ=${frequency};INTERVAL=${interval}`;
}

/** Return `now`, rounded up to the next full hour of this machine, as a field of the kind `datetime-local` wants it. */
export function suggestStart(now: number): string {
  const hour = new Date(Math.ceil(now / 3_600_000) * 3_600_000);
  return new Date(hour.getTime() - hour.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
