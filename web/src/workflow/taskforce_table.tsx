/** The taskforces of a workflow: their workers, and why some are missing. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { TaskforceSeen } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Dialog } from "../parts/actions.tsx";
import { Ago, Badge, Card, Facts, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import { countWorkers, listHoldReasons } from "./worker_counts.ts";
import { WorkerLogsView } from "./worker_logs.tsx";

/** More taskforces than this are shown without their health: it costs a request each. */
const MOST_WITH_HEALTH = 20;

export function TaskforceTable({ id }: { id: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const [logsOf, setLogsOf] = useState("");
  const task = place.query["task"] ?? "";
  const taskforces = usePolled(`taskforces ${id} ${task}`, async () => {
    const query = task ? { workflow_id: id, task_id: task } : { workflow_id: id };
    const found = await api.query<{ taskforces: TaskforceSeen[] }>("/v1/query/taskforces", { query });
    const told = found.taskforces.slice(-MOST_WITH_HEALTH).map((each) => each.taskforce_uuid);
    const healthy = await Promise.all(
      told.map((uuid) => api.get<TaskforceSeen>(`/v1/taskforces/${encodeURIComponent(uuid)}?include=health`).catch(() => null)),
    );
    const health = new Map(healthy.map((each) => [each?.taskforce_uuid, each?.health ?? null]));
    return found.taskforces.map((each) => ({ ...each, health: health.get(each.taskforce_uuid) ?? null })).reverse();
  }, 6_000);
  return (
    <Card title={task ? `Taskforces of task ${task}` : "Taskforces"} more={task ? <button type="button" onClick={() => replaceQuery({ task: undefined })}>Show those of all tasks</button> : null}>
      <Shown of={taskforces} what="the taskforces">
        {(found) =>
          found.length === 0 ? (
            <Empty>There are no taskforces yet.</Empty>
          ) : (
            found.map((taskforce) => <TaskforceRow key={taskforce.taskforce_uuid} taskforce={taskforce} showLogs={() => setLogsOf(taskforce.taskforce_uuid)} />)
          )
        }
      </Shown>
      {logsOf ? (
        <Dialog title={`Logs of the workers of ${logsOf}`} isWide close={() => setLogsOf("")}>
          <WorkerLogsView taskforce={logsOf} />
          <div class="row end">
            <button type="button" onClick={() => setLogsOf("")}>
              Close
            </button>
          </div>
        </Dialog>
      ) : null}
    </Card>
  );
}

function TaskforceRow({ taskforce, showLogs }: { taskforce: TaskforceSeen; showLogs: () => void }): VNode {
  const counts = countWorkers([taskforce.compound_statuses]);
  const total = counts.idle + counts.running + counts.held + counts.over;
  const holds = listHoldReasons([taskforce.compound_statuses]);
  const health = taskforce.health;
  return (
    <section class="card" aria-label={taskforce.taskforce_uuid}>
      <div class="head">
        <h3 class="mono">{taskforce.taskforce_uuid}</h3>
        <Badge state={taskforce.phase} tone={taskforce.phase === "condor-submit" ? "busy" : ""} />
        <span class="spacer" />
        <button type="button" onClick={showLogs}>
          Workers’ logs
        </button>
      </div>
      <Facts
        of={[
          ["Place", `${taskforce.schedd}${taskforce.cluster_id === null ? "" : `, cluster ${taskforce.cluster_id}`}`],
          ["Wanted", String(taskforce.n_workers ?? "as many as the place gives")],
          ["Workers", total ? <WorkerBars counts={counts} total={total} /> : "none reported yet"],
          ["Statuses of", health?.status_as_of ? <Ago at={health.status_as_of} /> : "–"],
        ]}
      />
      {health?.stuck ? <Reason text={`WMS has stopped trying: ${health.stuck}`} /> : null}
      {health?.unmatched ? <Reason text={health.unmatched} /> : null}
      {holds.map(([reason, n]) => (
        <Reason key={reason} text={`${n} held: ${reason}`} />
      ))}
      {health?.missing.map((each) => (
        <Reason key={`${each.cause} ${each.text}`} text={`${each.n_workers} missing: ${each.text}`} command={each.command} isCalm={each.is_coming} />
      ))}
      <details>
        <summary>History of its phases</summary>
        <Table
          caption="Phases"
          rows={taskforce.phase_change_log}
          keyOf={(each) => `${each.timestamp} ${each.target_phase}`}
          columns={[
            { title: "At", cell: (each) => describeInstant(each.timestamp) },
            { title: "Phase", cell: (each) => <Badge state={each.target_phase} tone={each.was_successful ? "" : "bad"} /> },
            { title: "By", cell: (each) => each.source_entity },
            { title: "Why", cell: (each) => each.context },
          ]}
        />
      </details>
    </section>
  );
}

function WorkerBars({ counts, total }: { counts: ReturnType<typeof countWorkers>; total: number }): VNode {
  const kinds: ReadonlyArray<readonly [string, string, number]> = [
    ["busy", "running", counts.running],
    ["warn", "waiting", counts.idle],
    ["bad", "held", counts.held],
    ["", "over", counts.over],
  ];
  const told = kinds.filter(([, , n]) => n > 0);
  return (
    <div>
      <div class="bars" aria-hidden="true">
        {told.map(([tone, word, n]) => (
          <i key={word} class={tone} style={{ width: `${(100 * n) / total}%` }} />
        ))}
      </div>
      <small>{told.map(([, word, n]) => `${n} ${word}`).join(", ")}</small>
    </div>
  );
}

function Reason({ text, command, isCalm }: { text: string; command?: string; isCalm?: boolean }): VNode {
  return (
    <div class={`notice ${isCalm ? "" : "warn"}`}>
      {text}
      {command ? (
        <>
          {" "}
          → <code>{command}</code>
        </>
      ) : null}
    </div>
  );
}
