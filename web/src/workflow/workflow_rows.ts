/** The rows of a list of workflows. (core) */

import type { WorkflowsFound } from "../api/generated/ewms.ts";
import type { News, WorkflowNews } from "../stream/news.ts";

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

/** Return the rows of the workflows under way, the newest first, as the stream has told them. */
export function listUnderWay(news: News): WorkflowRow[] {
  return sortRows([...news.values()].filter((each) => !each.outcome).map(makeNewsRow));
}

/** Return `rows` with what the stream has told since: workflows that changed or are new. */
export function mergeNews(rows: readonly WorkflowRow[], news: News): WorkflowRow[] {
  const older = rows.filter((row) => !news.has(row.id));
  return sortRows([...older, ...[...news.values()].map(makeNewsRow)]);
}

function makeNewsRow(news: WorkflowNews): WorkflowRow {
  return { id: news.workflow_id, state: nameState(null, news.outcome), beganAt: news.timestamp, endedAt: news.ended_at, priority: news.priority };
}

function sortRows(rows: readonly WorkflowRow[]): WorkflowRow[] {
  return [...rows].sort((one, other) => other.beganAt - one.beganAt);
}
