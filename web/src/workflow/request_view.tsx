/** What was requested: the tasks of a workflow, and more workers for them. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ClustersAnswer, TaskDirective, Taskforce } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Card, Facts } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { useApi } from "../session/session.ts";

export function RequestView({ id, isOver }: { id: string; isOver: boolean }): VNode {
  const api = useApi();
  const tasks = usePolled(
    `tasks ${id}`,
    () => api.query<{ task_directives: TaskDirective[] }>("/v1/query/task-directives", { query: { workflow_id: id } }),
    60_000,
  );
  return (
    <Shown of={tasks} what="the tasks">
      {(found) =>
        found.task_directives.length === 0 ? (
          <Empty>This workflow has no tasks.</Empty>
        ) : (
          <>
            {found.task_directives.map((task) => (
              <Card key={task.task_id} title={task.task_image} more={isOver ? null : <AddWorkers task={task} />}>
                <Facts
                  of={[
                    ["Task", <code>{task.task_id}</code>],
                    ["Arguments", <code>{task.task_args || "–"}</code>],
                    ["Places", task.cluster_locations.join(", ")],
                    ["Takes from", task.input_queues.join(", ") || "–"],
                    ["Gives to", task.output_queues.join(", ") || "–"],
                    ["Variables", Object.keys(task.task_env).length ? <pre tabindex={0}>{JSON.stringify(task.task_env, null, 2)}</pre> : "–"],
                  ]}
                />
              </Card>
            ))}
          </>
        )
      }
    </Shown>
  );
}

function AddWorkers({ task }: { task: TaskDirective }): VNode {
  const api = useApi();
  const [n, setN] = useState("1");
  const [where, setWhere] = useState(task.cluster_locations[0] ?? "");
  const clusters = usePolled("clusters", () => api.get<ClustersAnswer>("/v1/clusters"), 600_000);
  const places = clusters.value?.clusters.filter((each) => !each.alias_of).map((each) => each.name) ?? task.cluster_locations;
  const add = async (): Promise<string> => {
    const body = { cluster_location: where, n_workers: Number(n) };
    const made = await api.send<Taskforce>("POST", `/v1/task-directives/${encodeURIComponent(task.task_id)}/actions/add-workers`, body);
    return `Taskforce ${made.taskforce_uuid} will start them.`;
  };
  const key = task.task_id;
  return (
    <Action text="Add workers" act={add}>
      <div class="field">
        <label for={`n ${key}`}>How many</label>
        <input id={`n ${key}`} type="number" min="1" max="1000000" required value={n} onInput={(event) => setN(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for={`at ${key}`}>Where</label>
        <select id={`at ${key}`} value={where} onChange={(event) => setWhere(event.currentTarget.value)}>
          {places.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </div>
    </Action>
  );
}
