/** The first look at a workflow: its graph, why it stands as it does, how far it is, and what it is. */

import type { VNode } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Ending, WorkflowGraph, WorkflowSeen, WorkflowStanding } from "../api/generated/ewms.ts";
import type { Look } from "../api/looks.ts";
import { type Polled, usePolled } from "../api/polling.ts";
import { Ago, Card, Facts } from "../parts/basics.tsx";
import { Explained } from "../parts/explained.tsx";
import { Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";
import { ProgressBar } from "./progress.tsx";
import { WorkflowGraphCard } from "./workflow_graph_card.tsx";

const SLOW_MS = 15_000;

/** What changes rarely: the workflow itself, and how it ends. */
export interface WorkflowState {
  seen: WorkflowSeen;
  ending: Ending;
}

export function WorkflowOverview({ path, workflow }: { path: string; workflow: Polled<WorkflowState> }): VNode {
  const api = useApi();
  const isOver = workflow.value ? workflow.value.seen.deactivated !== null : false;
  // The shape comes first: the gateway answers it much sooner, because it need not count the events for that.
  const shape = useShape(path);
  // These do not wait for anything. The gateway counts the queues once for both, because they ask at the same time.
  const live = usePolled(
    `${path} live`,
    async () => {
      const [graph, standing] = await Promise.all([api.get<WorkflowGraph>(`${path}/graph`), api.get<WorkflowStanding>(`${path}/progress`)]);
      return { graph, standing };
    },
    isOver ? SLOW_MS : undefined,
  );
  const isCounted = live.value !== undefined || shape === null;
  const graph: Polled<WorkflowGraph> = { ...live, ...(isCounted ? { value: live.value?.graph } : shape) };
  return (
    <>
      <WorkflowGraphCard graph={graph} isCounted={isCounted} />
      <Shown of={workflow} what="the workflow">
        {({ seen, ending }) => (
          <>
            <Explained path={`${path}/explain`} />
            <div class="columns">
              <Card title="Progress">
                <Shown of={live} what="the progress">
                  {({ standing }) => <ProgressBar progress={standing.events} />}
                </Shown>
                {ending.reason ? <p>{ending.reason}</p> : null}
              </Card>
              <Card title="About it">
                <Facts of={listFacts(seen, ending)} />
              </Card>
            </div>
          </>
        )}
      </Shown>
    </>
  );
}

/** Return the workflow's graph without the counts of its queues, and when it came. It is a first look, taken once. */
function useShape(path: string): Pick<Look<WorkflowGraph>, "value" | "seenAt"> | null {
  const api = useApi();
  const [shape, setShape] = useState<Pick<Look<WorkflowGraph>, "value" | "seenAt"> | null>(null);
  useLayoutEffect(() => {
    let isOver = false;
    // If it fails, the whole graph says why.
    api.get<WorkflowGraph>(`${path}/graph?counts=false`).then(
      (value) => isOver || setShape({ value, seenAt: Date.now() }),
      () => {},
    );
    return () => {
      isOver = true;
    };
  }, [path]);
  return shape;
}

function listFacts(seen: WorkflowSeen, ending: Ending): Array<[string, VNode | string]> {
  const facts: Array<[string, VNode | string]> = [
    ["Requested", <Ago at={seen.timestamp} />],
    ["Priority", String(seen.priority)],
    ["Queues made", describeInstant(seen.health?.queues_active_at)],
    ["Inputs closed", describeInstant(ending.inputs_closed_at)],
  ];
  if (seen.health?.queues_deferred) {
    facts.push(["Queues wait", seen.health.queues_deferred]);
  }
  if (ending.expected_results !== null) {
    facts.push(["Expected results", String(ending.expected_results)]);
  }
  if (seen.deactivated_ts !== null) {
    facts.push(["Ended", <Ago at={seen.deactivated_ts} />]);
  }
  return facts;
}
