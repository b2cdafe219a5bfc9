/** One process: its steps with the changes of its state, the form that waits, and what a person can do. */

import type { VNode } from "preact";
import type { ProcessDetail, ProcessStep } from "../api/generated/processes.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Ago, Badge, Card, Facts, Json, PageHead } from "../parts/basics.tsx";
import { Explained } from "../parts/explained.tsx";
import { Shown } from "../parts/states.tsx";
import { chooseTone, describeInstant } from "../parts/texts.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { PagedForm } from "./paged_form.tsx";

const RETRIED = new Set(["failed", "inconsistent_data", "api_unavailable", "waiting"]);
const OVER = new Set(["completed", "aborted"]);

export function ProcessPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/api/processes/${encodeURIComponent(id)}`;
  const process = usePolled(path, () => api.get<ProcessDetail>(path));
  const act = (method: string, what: string, body: unknown, done: string) => async (): Promise<string> => {
    await api.send(method, `${path}/${what}`, body);
    process.refresh();
    return done;
  };
  const seen = process.value;
  return (
    <>
      <PageHead title={seen?.workflow_name ?? "Process"} crumbs={[["Processes", "#/processes"]]}>
        {seen ? <Badge state={seen.status} /> : null}
        {seen && RETRIED.has(seen.status) ? <Action text="Retry" isMain act={act("PUT", "resume", undefined, "The step is called again.")} /> : null}
        {seen && !OVER.has(seen.status) ? <Action text="Abort" isDanger question="The process ends for good after the step under way." act={act("PUT", "abort", {}, "Aborted.")} /> : null}
      </PageHead>
      <Shown of={process} what="the process">
        {(found) => (
          <>
            {found.failed_reason ? (
              <div class="notice bad" role="alert">
                <b>{found.failed_reason}</b>
                {found.traceback ? (
                  <details>
                    <summary>Where in the code</summary>
                    <pre tabindex={0}>{found.traceback}</pre>
                  </details>
                ) : null}
              </div>
            ) : null}
            {found.explanation ? <div class="notice">{found.explanation}</div> : null}
            {found.form ? (
              <Card title="This process waits for you">
                <PagedForm
                  first={found.form}
                  verb="Continue"
                  send={async (pages) => {
                    await api.send("PUT", `${path}/resume`, pages);
                    process.refresh();
                  }}
                />
              </Card>
            ) : null}
            <Explained path={`${path}/explain`} />
            <div class="columns">
              <Card title="Steps">
                <ol class="steps">
                  {found.steps.map((step) => (
                    <StepRow key={step.key} step={step} />
                  ))}
                </ol>
              </Card>
              <Card title="About it">
                <Facts
                  of={[
                    ["Process", <code>{found.process_id}</code>],
                    ["Began", <Ago at={found.started_at} />],
                    ["Ended", describeInstant(found.ended_at)],
                    ["By", found.created_by],
                    ["Falls to", found.assignee],
                    ["Note", found.note ?? "–"],
                    ["Subscriptions", <>{found.subscription_ids.map((each) => <a key={each} href={writePlace(["processes", "subscriptions", each])}>{each.slice(0, 8)} </a>)}</>],
                    ["Children", <>{found.children.map((each) => <a key={each.process_id} href={writePlace(["processes", each.process_id])}>{each.workflow_name} </a>)}</>],
                  ]}
                />
                <details>
                  <summary>Its state now</summary>
                  <Json value={found.current_state} />
                </details>
              </Card>
            </div>
          </>
        )}
      </Shown>
    </>
  );
}

function StepRow({ step }: { step: ProcessStep }): VNode {
  const changes = Object.keys(step.state_delta ?? {}).length + (step.removed?.length ?? 0);
  return (
    <li class={chooseTone(step.status)}>
      <b>{step.name}</b> <Badge state={step.status} />{" "}
      <span class="quiet">
        {step.completed ? describeInstant(step.completed) : ""}
        {step.retries ? `, failed ${step.retries + 1} times` : ""}
      </span>
      {step.explanation ? <div>{step.explanation}</div> : null}
      {step.next_attempt_at ? <div class="quiet">Next attempt at {describeInstant(step.next_attempt_at)}</div> : null}
      {step.progress !== undefined && step.progress !== null ? <Json value={step.progress} /> : null}
      {changes ? (
        <details>
          <summary>{changes === 1 ? "One change" : `${changes} changes`} of the state</summary>
          <Json value={step.removed?.length ? { ...step.state_delta, "(removed)": step.removed } : step.state_delta} />
        </details>
      ) : null}
    </li>
  );
}
