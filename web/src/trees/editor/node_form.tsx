/** Change what a node is called, what it runs, and with which variables and prompts. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../../api/polling.ts";
import { useApi } from "../../session/session.ts";
import { APPROVAL, type ApprovalTemplate, changesNothing, listOfferedPrompts, type NodeFields, NOTHING, PROMPTS, readNodeFields, runsApproval, type RunnableTemplate, writeNodeChange } from "./node_fields.ts";
import { NodeLabels } from "./node_labels.tsx";
import { changeNode } from "./tree_calls.ts";
import type { TemplateNode } from "./tree_parts.ts";
import { useTemplates, WorkChoice } from "./work_choice.tsx";

const SLOW_MS = 60_000;

interface NodeFormProps {
  node: TemplateNode;
  /** Carries a change out, and shows at the node why it is refused. Return whether it was taken. */
  change: (act: Promise<unknown>) => Promise<boolean>;
}

export function NodeForm({ node, change }: NodeFormProps): VNode {
  const api = useApi();
  const templates = useTemplates();
  const approvalPath = runsApproval(node) ? `/api/v2/workflow_approval_templates/${node.unified_job_template}/` : "";
  const approval = usePolled(approvalPath, () => api.get<ApprovalTemplate>(approvalPath), SLOW_MS);
  // What the person has typed. All other fields follow the server.
  const [typed, setTyped] = useState<Partial<NodeFields>>({});
  const [isBusy, setBusy] = useState(false);
  const before = readNodeFields(node, (approvalPath ? approval.value : null) ?? null);
  const fields = { ...before, ...typed };
  const wanted = writeNodeChange(before, fields);
  const offered = listTemplates(node, templates.value?.results ?? []);
  const template = templates.value?.results.find((each) => String(each.id) === fields.runs);
  const isTemplate = fields.runs !== APPROVAL && fields.runs !== NOTHING;
  const type = (name: keyof NodeFields) => (text: string) => setTyped((earlier) => ({ ...earlier, [name]: text }));
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    if (await change(changeNode(api, node, wanted))) {
      setTyped({});
      approval.refresh();
    }
    setBusy(false);
  };
  return (
    <>
      <form aria-label={`Change ${node.identifier}`} onSubmit={(event) => void save(event)}>
        <div class="row fields">
          <TextField id="changed-name" label="Its name" value={fields.identifier} isNeeded onInput={type("identifier")} />
          <WorkChoice id="changed" label="It runs" templates={offered} runs={fields.runs} timeout={fields.timeout} onRuns={type("runs")} onTimeout={type("timeout")} />
          {fields.runs === APPROVAL ? <TextField id="changed-approval" label="Its approval is called" value={fields.approval} placeholder={fields.identifier} onInput={type("approval")} /> : null}
        </div>
        {isTemplate || fields.variables ? (
          <div class="field">
            <label for="changed-variables">Its variables, as JSON or YAML</label>
            <textarea id="changed-variables" rows={4} spellcheck={false} value={fields.variables} onInput={(event) => type("variables")(event.currentTarget.value)} />
          </div>
        ) : null}
        <div class="row fields">
          {isTemplate || fields.jobTimeout ? <TextField id="changed-timeout" label="Fails after seconds (empty: never)" isNumber value={fields.jobTimeout} onInput={type("jobTimeout")} /> : null}
          {listOfferedPrompts(fields, template).map((name) => (
            <TextField key={name} id={`changed-${name}`} label={PROMPTS.find(([each]) => each === name)?.[1] ?? name} value={fields[name]} onInput={type(name)} />
          ))}
        </div>
        <button type="submit" class="main" disabled={isBusy || changesNothing(wanted)}>
          Save
        </button>
      </form>
      {isTemplate ? <NodeLabels node={node} isAsked={template === undefined || template.ask_labels_on_launch === true} change={change} /> : null}
    </>
  );
}

/** Return the templates to choose from. What the node runs now is among them, though the list may lack it. */
function listTemplates(node: TemplateNode, found: readonly RunnableTemplate[]): RunnableTemplate[] {
  const now = runsApproval(node) ? undefined : node.summary_fields.unified_job_template;
  return now && !found.some((each) => each.id === now.id) ? [...found, { id: now.id, name: now.name }] : [...found];
}

interface TextFieldProps {
  id: string;
  label: string;
  value: string;
  placeholder?: string;
  isNeeded?: boolean;
  isNumber?: boolean;
  onInput: (text: string) => void;
}

function TextField({ id, label, value, placeholder, isNeeded, isNumber, onInput }: TextFieldProps): VNode {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} inputMode={isNumber ? "numeric" : undefined} pattern={isNumber ? "[1-9][0-9]*" : undefined} autocomplete="off" required={isNeeded} placeholder={placeholder} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
    </div>
  );
}
