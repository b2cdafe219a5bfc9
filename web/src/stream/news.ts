/** What the stream of all workflows has told: the newest news of each. (core) */

import type { StreamEvent } from "./sse.ts";

/** How a workflow stands, as `GET /v1/events` sends it. */
export interface WorkflowNews {
  workflow_id: string;
  timestamp: number;
  priority: number;
  outcome: string;
  ended_at: number | null;
  inputs_closed: boolean;
  has_queues: boolean;
  stalled_since: string | null;
  problems: string[];
}

export type News = ReadonlyMap<string, WorkflowNews>;

/** Return the news after one more event. Events of other names change nothing. */
export function takeEvent(news: News, event: Pick<StreamEvent, "name" | "data">): News {
  const told: unknown = JSON.parse(event.data);
  switch (event.name) {
    case "list":
      return new Map((told as { workflows: WorkflowNews[] }).workflows.map((each) => [each.workflow_id, each]));
    case "workflow": {
      const changed = told as WorkflowNews;
      return new Map(news).set(changed.workflow_id, changed);
    }
    case "gone": {
      const left = new Map(news);
      left.delete((told as { workflow_id: string }).workflow_id);
      return left;
    }
    default:
      return news;
  }
}

/** Return all news, in which a tab that comes later begins. */
export function writeList(news: News): Pick<StreamEvent, "name" | "data"> {
  return { name: "list", data: JSON.stringify({ workflows: [...news.values()] }) };
}
