/** Say what came of an order to replay or discard letters. (core) */

import type { LettersHandled } from "../api/generated/ewms.ts";
import { countOf } from "../parts/texts.ts";

export function describeHandled(all: readonly LettersHandled[], verb: string): string {
  const done = all.reduce((sum, each) => sum + each.n_done, 0);
  const last = all.at(-1);
  const parts = [`${countOf(done, "event")} ${verb}.`];
  const refused = all.find((each) => each.n_refused);
  if (refused?.n_refused) {
    parts.push(`${countOf(refused.n_refused, "event")} refused: ${refused.refused ?? "no reason given"}.`);
  }
  if (last?.stopped) {
    parts.push(`Stopped: ${last.stopped}.`);
  } else if (last?.n_left) {
    parts.push(`${countOf(last.n_left, "event")} left.`);
  }
  return parts.join(" ");
}
