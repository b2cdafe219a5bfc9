/** The graph of a workflow, live; a list instead if it is too large to be read as a picture. */

import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import type { WorkflowGraph } from "../api/generated/ewms.ts";
import type { Polled } from "../api/polling.ts";
import { GraphView } from "../graph/graph_view.tsx";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeNumber } from "../parts/texts.ts";
import { goTo, replaceQuery, usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { chooseTaskTone, describeDepth, makeGraphParts } from "./graph_parts.ts";

const MOST_DRAWN = 150;

interface GraphCardProps {
  graph: Polled<WorkflowGraph>;
  /** Whether the events in the queues are counted. */
  isCounted: boolean;
}

export function WorkflowGraphCard({ graph, isCounted }: GraphCardProps): VNode {
  const place = usePlace();
  const nTasks = graph.value?.tasks.length ?? 0;
  const view = place.query["view"] ?? (nTasks > MOST_DRAWN ? "list" : "graph");
  const other = view === "graph" ? "list" : "graph";
  const id = place.parts[1] ?? "";
  return (
    <Card
      title="Where the events are"
      more={
        <button type="button" onClick={() => replaceQuery({ view: other })}>
          Show as a {other}
        </button>
      }
    >
      <Shown of={graph} what="the graph">
        {(found) => (
          <>
            {isCounted ? null : (
              <p class="quiet" role="status">
                Counting the events …
              </p>
            )}
            {found.unseen ? <div class="notice warn">The queues cannot be counted now: {found.unseen}</div> : null}
            {found.tasks.length === 0 ? <Empty>This workflow has no tasks.</Empty> : view === "graph" ? <Drawn graph={found} id={id} isCounted={isCounted} /> : <Listed graph={found} />}
            {found.n_dead ? (
              <p>
                <a href={writePlace(["workflows", id], { tab: "letters" })}>{describeNumber(found.n_dead)} dead letters</a>
              </p>
            ) : null}
          </>
        )}
      </Shown>
    </Card>
  );
}

function Drawn({ graph, id, isCounted }: { graph: WorkflowGraph; id: string; isCounted: boolean }): VNode {
  const parts = useMemo(() => makeGraphParts(graph, isCounted), [graph, isCounted]);
  const choose = (node: string): void => {
    const tab = node.startsWith("stub:") ? "queues" : "taskforces";
    goTo(writePlace(["workflows", id], { tab, task: tab === "taskforces" ? node : undefined }));
  };
  return <GraphView title="The workflow's tasks and queues" nodes={parts.nodes} edges={parts.edges} onChoose={choose} />;
}

function Listed({ graph }: { graph: WorkflowGraph }): VNode {
  const depths = new Map(graph.queues.map((queue) => [queue.mqid, queue]));
  const name = (mqid: string): string => {
    const depth = depths.get(mqid);
    return `${depth?.alias || "private"} (${describeDepth(depth) || "unknown"})`;
  };
  return (
    <Table
      caption="Tasks with their queues and workers"
      rows={graph.tasks}
      keyOf={(task) => task.task_id}
      columns={[
        { title: "Task", cell: (task) => <b>{task.name}</b> },
        { title: "Takes from", cell: (task) => task.input_queues.map(name).join(", ") || "–" },
        { title: "Gives to", cell: (task) => task.output_queues.map(name).join(", ") || "–" },
        { title: "Running", isNumber: true, cell: (task) => describeNumber(task.workers.n_running) },
        { title: "Waiting", isNumber: true, cell: (task) => describeNumber(task.workers.n_idle) },
        { title: "Held", isNumber: true, cell: (task) => describeNumber(task.workers.n_held) },
        { title: "State", cell: (task) => <Badge state={task.problem || (task.workers.n_taking ? "at work" : "quiet")} tone={chooseTaskTone(task)} /> },
      ]}
    />
  );
}
