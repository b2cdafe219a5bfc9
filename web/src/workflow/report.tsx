/** What the workers of a workflow did and cost. The gateway computes the figures; the page only shows them. */

import type { VNode } from "preact";
import type { Measure, TaskReport, WorkFigures, WorkflowReport } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Card, Table } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { useApi } from "../session/session.ts";
import { describeMeasure } from "./measures.ts";

const SLOW_MS = 8_000;

const FIGURES: ReadonlyArray<readonly [keyof WorkFigures, string]> = [
  ["worker_hours", "Worker-hours"],
  ["busy", "Busy"],
  ["starting", "Starting"],
  ["idle", "Idle"],
  ["wasted", "Wasted"],
  ["unknown", "Unknown"],
  ["events_done", "Events done"],
  ["attempts_failed", "Attempts failed"],
  ["events_per_core_hour", "Events per core-hour"],
  ["time_to_last_success", "Start to last success"],
];

const OF_TASK = [
  ["service_time", "Mean run"],
  ["failed_time", "Mean failed run"],
  ["start_time", "Mean start"],
  ["memory_asked", "Memory asked for"],
  ["memory_used", "Memory used"],
  ["suggested_n_workers", "Suggested n_workers"],
  ["suggested_memory", "Suggested memory"],
  ["suggested_prefetch", "Suggested prefetch"],
] as const;

interface Row {
  title: string;
  measure: Measure;
}

export function Report({ path }: { path: string }): VNode {
  const api = useApi();
  const report = usePolled(`${path}/report`, () => api.get<WorkflowReport>(`${path}/report`), SLOW_MS);
  return (
    <Shown of={report} what="the report">
      {(found) => (
        <>
          <Card title="All tasks">
            <Measures caption="Figures of all tasks" rows={[...listFigures(found.figures), { title: "Events failed", measure: found.events_failed }]} />
            {found.is_over ? null : <p class="quiet">The workflow has not ended, so these figures grow.</p>}
          </Card>
          {found.tasks.map((task) => (
            <Card key={task.task_id} title={task.name}>
              <Measures caption={`Figures of ${task.name}`} rows={[...listFigures(task.figures), ...listTask(task)]} />
            </Card>
          ))}
        </>
      )}
    </Shown>
  );
}

function Measures({ caption, rows }: { caption: string; rows: readonly Row[] }): VNode {
  return (
    <Table
      caption={caption}
      rows={rows}
      keyOf={(row) => row.title}
      columns={[
        { title: "Figure", cell: (row) => <b>{row.title}</b> },
        { title: "Value", isNumber: true, cell: (row) => describeMeasure(row.measure) },
        { title: "How it was computed", cell: (row) => row.measure.how },
      ]}
    />
  );
}

function listFigures(figures: WorkFigures): Row[] {
  return FIGURES.map(([key, title]) => ({ title, measure: figures[key] }));
}

function listTask(task: TaskReport): Row[] {
  return OF_TASK.map(([key, title]) => ({ title, measure: task[key] }));
}
