/** Change a template's nodes through the REST interface. Each call is saved at once. All throw ApiError. */

import type { ApiClient } from "../../api/client.ts";
import type { Page } from "../awx_objects.ts";
import { type NodeChange, runsApproval } from "./node_fields.ts";
import type { Connection, EdgeKind, TemplateNode } from "./tree_parts.ts";

const NODES = "/api/v2/workflow_job_template_nodes/";
const PAGE_SIZE = 200;

/** Return all nodes of the template at `path`. */
export async function loadNodes(api: ApiClient, path: string): Promise<TemplateNode[]> {
  const found: TemplateNode[] = [];
  for (let page = 1; ; page += 1) {
    const part = await api.get<Page<TemplateNode>>(`${path}workflow_nodes/?page_size=${PAGE_SIZE}&page=${page}`);
    found.push(...part.results);
    if (part.results.length < PAGE_SIZE || found.length >= part.count) {
      return found;
    }
  }
}

export async function connectNodes(api: ApiClient, { source, target, kind }: Connection): Promise<void> {
  await api.send("POST", `${NODES}${source}/${kind}_nodes/`, { id: target });
}

export async function disconnectNodes(api: ApiClient, { source, target, kind }: Connection): Promise<void> {
  await api.send("POST", `${NODES}${source}/${kind}_nodes/`, { id: target, disassociate: true });
}

export async function removeNode(api: ApiClient, id: number): Promise<void> {
  await api.send("DELETE", `${NODES}${id}/`);
}

export async function setConvergence(api: ApiClient, id: number, all: boolean): Promise<void> {
  await api.send("PATCH", `${NODES}${id}/`, { all_parents_must_converge: all });
}

/** Change a node's fields, then the approval that it waits for. A refused approval leaves the fields changed. */
export async function changeNode(api: ApiClient, node: TemplateNode, { fields, approval }: NodeChange): Promise<void> {
  if (Object.keys(fields).length) {
    await api.send("PATCH", `${NODES}${node.id}/`, fields);
  }
  if (approval && runsApproval(node)) {
    await api.send("PATCH", `/api/v2/workflow_approval_templates/${node.unified_job_template}/`, approval);
  } else if (approval) {
    await api.send("POST", `${NODES}${node.id}/create_approval_template/`, approval);
  }
}

export interface Label {
  id: number;
  name: string;
}

/** Return the labels that a node gives to its job. */
export async function listLabels(api: ApiClient, id: number): Promise<Label[]> {
  return (await api.get<Page<Label>>(`${NODES}${id}/labels/?page_size=${PAGE_SIZE}`)).results;
}

export async function addLabel(api: ApiClient, id: number, name: string): Promise<void> {
  await api.send("POST", `${NODES}${id}/labels/`, { name });
}

export async function removeLabel(api: ApiClient, id: number, label: number): Promise<void> {
  await api.send("POST", `${NODES}${id}/labels/`, { id: label, disassociate: true });
}

/** What a new node runs: a template, an approval of its own, or nothing. */
export type Work = { template: number } | { approval: string; timeoutS: number } | null;

export interface NewNode {
  identifier: string;
  work: Work;
  /** The node before it; null for a root. */
  after: { parent: number; kind: EdgeKind } | null;
}

/** Make a node in the template at `path`, and return its id. */
export async function addNode(api: ApiClient, path: string, { identifier, work, after }: NewNode): Promise<number> {
  const body = { identifier, ...(work && "template" in work ? { unified_job_template: work.template } : {}) };
  const place = after ? `${NODES}${after.parent}/${after.kind}_nodes/` : `${path}workflow_nodes/`;
  const made = await api.send<TemplateNode>("POST", place, body);
  if (work && "approval" in work) {
    try {
      await api.send("POST", `${NODES}${made.id}/create_approval_template/`, { name: work.approval, timeout: work.timeoutS });
    } catch (failure) {
      // Both or nothing: a node without its approval would end its branch.
      await removeNode(api, made.id);
      throw failure;
    }
  }
  return made.id;
}
