/** What a person can change of a node, as the texts of a form, and what of it to send. (core) */

import type { TemplateNode } from "./tree_parts.ts";

/** In place of a template's id: the node waits for an approval of its own, or runs nothing. */
export const APPROVAL = "approval";
export const NOTHING = "nothing";

/** A prompt's field, its words, and the field by which a template asks for it. */
export const PROMPTS = [
  ["limit", "Limit of hosts", "ask_limit_on_launch"],
  ["scm_branch", "Branch", "ask_scm_branch_on_launch"],
  ["job_tags", "Tags to run", "ask_tags_on_launch"],
  ["skip_tags", "Tags to skip", "ask_skip_tags_on_launch"],
] as const;

export type PromptName = (typeof PROMPTS)[number][0];

/** A template that a node can run. An approval has none of the fields `ask_…`. */
export interface RunnableTemplate {
  id: number;
  name: string;
  [asks: `ask_${string}_on_launch`]: boolean;
}

/** An approval that belongs to a node. */
export interface ApprovalTemplate {
  name: string;
  timeout: number;
}

export interface NodeFields extends Record<PromptName, string> {
  identifier: string;
  /** The id of a template, `APPROVAL` or `NOTHING`. */
  runs: string;
  approval: string;
  timeout: string;
  /** After how many seconds the node's job counts as failed; "": never. An approval has a limit of its own. */
  jobTimeout: string;
  variables: string;
}

/** What to send: fields of the node that differ, and a new approval, or what differs of the one that it has. */
export interface NodeChange {
  fields: Record<string, unknown>;
  approval: Partial<ApprovalTemplate> | null;
}

/** Return whether `node` waits for an approval of its own. */
export function runsApproval(node: TemplateNode): boolean {
  return node.summary_fields.unified_job_template?.unified_job_type === "workflow_approval";
}

/** Return the form's texts for `node`. `approval` is what it waits for, if it does. */
export function readNodeFields(node: TemplateNode, approval: ApprovalTemplate | null): NodeFields {
  const runs = runsApproval(node) ? APPROVAL : node.unified_job_template === null ? NOTHING : String(node.unified_job_template);
  return {
    identifier: node.identifier,
    runs,
    approval: approval?.name ?? "",
    timeout: String(approval?.timeout ?? 0),
    jobTimeout: node.timeout === null ? "" : String(node.timeout),
    variables: Object.keys(node.extra_data).length ? JSON.stringify(node.extra_data, null, 2) : "",
    limit: node.limit,
    scm_branch: node.scm_branch,
    job_tags: node.job_tags,
    skip_tags: node.skip_tags,
  };
}

/** Return what differs between two states of the form. Two persons can change different fields of one node. */
export function writeNodeChange(before: NodeFields, after: NodeFields): NodeChange {
  const fields: Record<string, unknown> = {};
  if (after.identifier !== before.identifier) {
    fields["identifier"] = after.identifier;
  }
  if (after.runs !== before.runs && after.runs !== APPROVAL) {
    fields["unified_job_template"] = after.runs === NOTHING ? null : Number(after.runs);
  }
  if (after.variables !== before.variables) {
    // The server reads JSON and YAML, and keeps a password of which it has shown only a mask.
    fields["extra_data"] = after.variables;
  }
  if (after.jobTimeout !== before.jobTimeout) {
    fields["timeout"] = after.jobTimeout === "" ? null : Number(after.jobTimeout);
  }
  for (const [name] of PROMPTS) {
    if (after[name] !== before[name]) {
      fields[name] = after[name];
    }
  }
  return { fields, approval: writeApproval(before, after) };
}

function writeApproval(before: NodeFields, after: NodeFields): Partial<ApprovalTemplate> | null {
  if (after.runs !== APPROVAL) {
    return null;
  }
  const isNew = before.runs !== APPROVAL;
  const change = {
    ...(isNew || after.approval !== before.approval ? { name: after.approval || after.identifier } : {}),
    ...(isNew || after.timeout !== before.timeout ? { timeout: Number(after.timeout) } : {}),
  };
  return Object.keys(change).length ? change : null;
}

export function changesNothing({ fields, approval }: NodeChange): boolean {
  return approval === null && Object.keys(fields).length === 0;
}

/**
 * Return the prompts to offer: those for which the template asks, and those that the node has. `template` is what the
 * node runs; undefined if the page does not know it, then all are offered and the server decides.
 */
export function listOfferedPrompts(fields: NodeFields, template: RunnableTemplate | undefined): PromptName[] {
  const isTemplate = fields.runs !== APPROVAL && fields.runs !== NOTHING;
  return PROMPTS.filter(([name, , ask]) => fields[name] !== "" || (isTemplate && (template === undefined || template[ask] === true))).map(([name]) => name);
}
