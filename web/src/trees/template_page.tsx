/** One template: its graph to edit, its launch form, its schedules and its runs. */

import type { VNode } from "preact";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Badge, Card, PageHead, Tabs } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { goTo, usePlace } from "../routing/place.ts";
import { useApi } from "../session/session.ts";
import type { Template } from "./awx_objects.ts";
import { TreeEditor } from "./editor/tree_editor.tsx";
import { LaunchForm } from "./launch_form.tsx";
import { ScheduleList } from "./schedules/schedule_list.tsx";
import { readSurvey } from "./survey.ts";
import { RunTable } from "./tree_list.tsx";

const SLOW_MS = 15_000;
const TABS: ReadonlyArray<readonly [string, string]> = [
  ["graph", "Graph"],
  ["launch", "Launch"],
  ["schedules", "Schedules"],
  ["runs", "Runs"],
];

export function TemplatePage({ id }: { id: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const tab = place.query["tab"] ?? "graph";
  const path = `/api/v2/workflow_job_templates/${encodeURIComponent(id)}/`;
  const template = usePolled(path, () => api.get<Template>(path), SLOW_MS);
  const seen = template.value;
  const may = seen?.summary_fields.user_capabilities ?? {};
  const remove = async (): Promise<string> => {
    await api.send("DELETE", path);
    goTo("#/trees");
    return "Deleted.";
  };
  return (
    <>
      <PageHead title={seen?.name ?? `Template ${id}`} crumbs={[["Trees", "#/trees"]]}>
        {seen ? (
          <>
            <span class="quiet">topology {seen.topology}</span>
            <Badge state={seen.status} />
            {may["delete"] ? <Action text="Delete" isDanger act={remove} question="The template goes with its nodes, approvals and schedules. Its runs stay." /> : null}
          </>
        ) : null}
      </PageHead>
      <Tabs tabs={TABS} chosen={tab} />
      <Shown of={template} what="the template">
        {(found) => {
          switch (tab) {
            case "launch":
              return <Launch path={path} isAllowed={may["start"] !== false} />;
            case "schedules":
              return <ScheduleList template={found} />;
            case "runs":
              return <RunTable path={`${path}workflow_jobs/?page_size=100&order_by=-id`} />;
            default:
              return <TreeEditor path={path} mayEdit={may["edit"] === true} />;
          }
        }}
      </Shown>
    </>
  );
}

function Launch({ path, isAllowed }: { path: string; isAllowed: boolean }): VNode {
  const api = useApi();
  const survey = usePolled(`${path}survey_spec/`, () => api.get<unknown>(`${path}survey_spec/`), SLOW_MS);
  return (
    <Card title="Launch it">
      {isAllowed ? (
        <Shown of={survey} what="the survey">
          {(found) => <LaunchForm path={path} questions={readSurvey(found)} />}
        </Shown>
      ) : (
        <p class="quiet">Your roles do not let you launch this template.</p>
      )}
    </Card>
  );
}
