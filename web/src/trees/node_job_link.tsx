/** Lead from a node of a run to what runs for it: a workflow, a process, or a run of another tree. */

import type { VNode } from "preact";
import type { ApiClient } from "../api/client.ts";
import type { ProcessSummary } from "../api/generated/processes.ts";
import { goTo } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { Action } from "../parts/actions.tsx";

interface RunNode {
  summary_fields: { job?: { id: number; type: string } };
}

/** Return the place of what the job runs: a workflow, or the process below the job. "" if it runs neither. */
async function findWork(api: ApiClient, job: number): Promise<string> {
  const { workflow_id: workflow } = await api.get<{ workflow_id: string | null }>(`/api/v2/jobs/${job}/`);
  if (workflow) {
    return writePlace(["workflows", workflow]);
  }
  const [process] = await api.get<ProcessSummary[]>(`/api/processes?filter=parent,${job}`);
  return process ? writePlace(["processes", process.process_id]) : "";
}

export function NodeJobLink({ node, job }: { node: number; job: number | null }): VNode {
  const api = useApi();
  if (job === null) {
    return <>–</>;
  }
  const open = async (): Promise<string> => {
    const { type } = (await api.get<RunNode>(`/api/v2/workflow_job_nodes/${node}/`)).summary_fields.job ?? {};
    if (type === "workflow_approval") {
      return "It is an approval.";
    }
    const place = type === "workflow_job" ? writePlace(["trees", "runs", String(job)]) : await findWork(api, job);
    if (place) {
      goTo(place);
    }
    return place ? "" : "It has no page.";
  };
  return <Action text={`Open job ${job}`} act={open} />;
}
