/** The taskforces that have workers, or wait for some. */

import type { TaskforceSeen } from "../api/generated/ewms.ts";
import { type Polled, usePolled } from "../api/polling.ts";
import { useApi } from "../session/session.ts";

export type Taskforce = Pick<TaskforceSeen, "taskforce_uuid" | "workflow_id" | "schedd" | "phase" | "compound_statuses" | "n_workers">;

export function useTaskforces(): Polled<Taskforce[]> {
  const api = useApi();
  return usePolled(
    "operators/taskforces",
    async () => {
      const projection = ["taskforce_uuid", "workflow_id", "schedd", "phase", "compound_statuses", "n_workers"];
      const query = { phase: { $in: ["pending-starter", "condor-submit", "pending-stopper", "condor-rm"] } };
      return (await api.query<{ taskforces: Taskforce[] }>("/v1/query/taskforces", { query, projection })).taskforces;
    },
    8_000,
  );
}
