/** The rows of a list of workflows. (core) */

import type { WorkflowsFound } from "../api/generated/ewms.ts";

export interface WorkflowRow {
  id: string;
  state: string;
  beganAt: number;
  endedAt: number | null;
  priority: number;
}

/** Return the workflows of an answer, the newest first. */
export function readWorkflowRows(found: WorkflowsFound): WorkflowRow[] {
  return found.workflows
    .map((each) => each as Record<string, unknown>)
    .map((each) => ({
      id: String(each["workflow_id"]),
      state: nameState(each["deactivated"], each["outcome"]),
      beganAt: Number(each["timestamp"]),
      endedAt: typeof each["deactivated_ts"] === "number" ? each["deactivated_ts"] : null,
      priority: Number(each["priority"] ?? 0),
    }))
    .sort((one, other) => other.beganAt - one.beganAt);
}

export function nameState(deactivated: unknown, outcome: unknown): string {
  if (typeof outcome === "string" && outcome) {
    return outcome;
  }
  return typeof deactivated === "string" ? deactivated.toLowerCase() : "under way";
}
