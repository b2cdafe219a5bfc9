/** One template with its launch form, and one run with the reasons of its nodes. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { isRecord } from "../api/problems.ts";
import { usePolled } from "../api/polling.ts";
import { GraphView } from "../graph/graph_view.tsx";
import { Action, describeFailure } from "../parts/actions.tsx";
import { Badge, Card, Facts, PageHead, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import type { Drawing, Template, TreeJob } from "./awx_objects.ts";
import { makeLaunchBody, readSurvey, type Question } from "./survey.ts";
import { makeTreeParts } from "./tree_graph.ts";

const SLOW_MS = 15_000;
const OVER = new Set(["successful", "failed", "error", "canceled"]);

export function TemplatePage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/api/v2/workflow_job_templates/${encodeURIComponent(id)}/`;
  const template = usePolled(path, () => api.get<Template>(path), SLOW_MS);
  const drawing = usePolled(`${path}graph/`, () => api.get<Drawing>(`${path}graph/`), SLOW_MS);
  const survey = usePolled(`${path}survey_spec/`, () => api.get<unknown>(`${path}survey_spec/`), SLOW_MS);
  return (
    <>
      <PageHead title={template.value?.name ?? `Template ${id}`} crumbs={[["Trees", "#/trees"]]} />
      <Card title="Its nodes">
        <Shown of={drawing} what="the graph">
          {(found) => <Graph drawing={found} title="The template's nodes" onChoose={() => {}} />}
        </Shown>
      </Card>
      <Card title="Launch it">
        <Shown of={survey} what="the survey">
          {(found) => <LaunchForm path={path} questions={readSurvey(found)} />}
        </Shown>
      </Card>
    </>
  );
}

function LaunchForm({ path, questions }: { path: string; questions: Question[] }): VNode {
  const api = useApi();
  const [answers, setAnswers] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const launch = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      const made = await api.send<Record<string, unknown>>("POST", `${path}launch/`, makeLaunchBody(questions, answers));
      window.location.hash = writePlace(["trees", "runs", String(made["id"] ?? (isRecord(made) ? made["workflow_job"] : ""))]);
    } catch (failure) {
      setProblem(describeFailure(failure));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void launch(event)}>
      {questions.length === 0 ? <p class="quiet">This template asks nothing.</p> : null}
      {questions.map((question) => {
        const id = `answer-${question.variable}`;
        const value = answers[question.variable] ?? question.initial;
        const set = (text: string): void => setAnswers({ ...answers, [question.variable]: text });
        return (
          <div class="field" key={question.variable}>
            <label for={id}>{question.name}</label>
            {question.choices.length ? (
              <select id={id} value={value} required={question.isRequired} onChange={(event) => set(event.currentTarget.value)}>
                <option value="">Choose one</option>
                {question.choices.map((each) => (
                  <option key={each} value={each}>
                    {each}
                  </option>
                ))}
              </select>
            ) : question.isSecret ? (
              <input id={id} type="password" autocomplete="off" value={value} required={question.isRequired} onInput={(event) => set(event.currentTarget.value)} />
            ) : (
              <input id={id} autocomplete="off" value={value} required={question.isRequired} onInput={(event) => set(event.currentTarget.value)} />
            )}
            <small>{question.help}</small>
          </div>
        );
      })}
      {problem ? (
        <div class="notice bad" role="alert">
          {problem}
        </div>
      ) : null}
      <button type="submit" class="main" disabled={isBusy}>
        Launch
      </button>
    </form>
  );
}

export function TreeRunPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/api/v2/workflow_jobs/${encodeURIComponent(id)}/`;
  const [chosen, setChosen] = useState("");
  const run = usePolled(path, () => api.get<TreeJob>(path));
  const drawing = usePolled(`${path}graph/`, () => api.get<Drawing>(`${path}graph/`));
  const cancel = async (): Promise<string> => {
    await api.send("POST", `${path}cancel/`, {});
    run.refresh();
    return "Canceled.";
  };
  const relaunch = async (): Promise<string> => {
    const made = await api.send<{ id: number }>("POST", `${path}relaunch/`, {});
    window.location.hash = writePlace(["trees", "runs", String(made.id)]);
    return "Launched.";
  };
  const seen = run.value;
  return (
    <>
      <PageHead title={seen ? `${seen.name}, run ${id}` : `Run ${id}`} crumbs={[["Trees", "#/trees"], ["Runs", "#/trees?tab=runs"]]}>
        {seen ? (
          <>
            <Badge state={seen.status} />
            {OVER.has(seen.status) ? <Action text="Launch again" act={relaunch} question="Launch a new run with the same answers?" /> : <Action text="Cancel" isDanger act={cancel} question="The nodes under way are canceled, and no other begins." />}
          </>
        ) : null}
      </PageHead>
      <Shown of={run} what="the run">
        {(found) => (
          <Card title="About it">
            {found.job_explanation ? <div class="notice">{found.job_explanation}</div> : null}
            <Facts of={[["Began", describeInstant(found.started)], ["Ended", describeInstant(found.finished)]]} />
          </Card>
        )}
      </Shown>
      <Card title="Its nodes" more={<a href="#/trees?tab=approvals">Approvals</a>}>
        <Shown of={drawing} what="the graph">
          {(found) => (
            <>
              <Graph drawing={found} title="The run's nodes" onChoose={setChosen} />
              <p />
              <Table
                caption="Nodes, and why each ran or did not"
                rows={found.nodes.filter((node) => !chosen || String(node.id) === chosen)}
                keyOf={(node) => String(node.id)}
                columns={[
                  { title: "Node", cell: (node) => <b>{node.identifier}</b> },
                  { title: "Runs", cell: (node) => node.name },
                  { title: "Status", cell: (node) => <Badge state={node.status ?? "pending"} /> },
                  { title: "Why", cell: (node) => node.why },
                ]}
              />
              {chosen ? (
                <button type="button" onClick={() => setChosen("")}>
                  Show all nodes
                </button>
              ) : null}
            </>
          )}
        </Shown>
      </Card>
    </>
  );
}

function Graph({ drawing, title, onChoose }: { drawing: Drawing; title: string; onChoose: (id: string) => void }): VNode {
  const parts = makeTreeParts(drawing);
  return parts.nodes.length === 0 ? (
    <Empty>It has no nodes.</Empty>
  ) : (
    <GraphView title={title} nodes={parts.nodes} edges={parts.edges} direction="TB" onChoose={onChoose} />
  );
}
