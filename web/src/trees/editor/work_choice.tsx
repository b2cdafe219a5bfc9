/** Choose what a node runs: a template, an approval of its own, or nothing. */

import type { VNode } from "preact";
import { type Polled, usePolled } from "../../api/polling.ts";
import { useApi } from "../../session/session.ts";
import type { Page } from "../awx_objects.ts";
import { APPROVAL, NOTHING, type RunnableTemplate } from "./node_fields.ts";

const TEMPLATES = "/api/v2/unified_job_templates/?page_size=200&order_by=name&not__type=workflow_approval_template";

export function useTemplates(): Polled<Page<RunnableTemplate>> {
  const api = useApi();
  return usePolled(TEMPLATES, () => api.get<Page<RunnableTemplate>>(TEMPLATES), 60_000);
}

interface WorkChoiceProps {
  id: string;
  label: string;
  templates: ReadonlyArray<{ id: number; name: string }>;
  runs: string;
  timeout: string;
  onRuns: (runs: string) => void;
  onTimeout: (timeout: string) => void;
}

export function WorkChoice({ id, label, templates, runs, timeout, onRuns, onTimeout }: WorkChoiceProps): VNode {
  return (
    <>
      <div class="field">
        <label for={`${id}-runs`}>{label}</label>
        <select id={`${id}-runs`} required value={runs} onChange={(event) => onRuns(event.currentTarget.value)}>
          <option value="">Choose a template</option>
          {templates.map((each) => (
            <option key={each.id} value={String(each.id)}>
              {each.name}
            </option>
          ))}
          <option value={APPROVAL}>(an approval by a person)</option>
          <option value={NOTHING}>(nothing)</option>
        </select>
      </div>
      {runs === APPROVAL ? (
        <div class="field">
          <label for={`${id}-timeout`}>Fails after seconds (0: never)</label>
          <input id={`${id}-timeout`} type="number" min="0" value={timeout} onInput={(event) => onTimeout(event.currentTarget.value)} />
        </div>
      ) : null}
    </>
  );
}
