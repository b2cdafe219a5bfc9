/** How serious causes look. (core) */

import type { Severity } from "../api/generated/ewms.ts";
import type { Tone } from "../parts/texts.ts";

const NOTICES: Record<Severity, Tone> = { blocked: "bad", failing: "bad", slowed: "warn", passing: "", note: "" };

export function chooseNotice(severity: Severity): Tone {
  return NOTICES[severity];
}
