/** Figures of a report as text. */

import type { Measure } from "../api/generated/ewms.ts";

/** Return a figure with its unit. A share is a percentage, and an unknown figure says so. */
export function describeMeasure(measure: Measure): string {
  if (measure.value === null) {
    return "unknown";
  }
  if (measure.unit.startsWith("share")) {
    return `${(measure.value * 100).toFixed(1)}%`;
  }
  const number = Number.isInteger(measure.value)
    ? measure.value.toLocaleString("en")
    : measure.value.toLocaleString("en", { maximumSignificantDigits: 3 });
  return `${number} ${measure.unit}`;
}
