/** Make the boxes and lines of a template's graph from its nodes, while somebody edits it. (core) */

import type { GraphEdge, GraphNode } from "../../graph/layout.ts";
import type { Tone } from "../../parts/texts.ts";

export type EdgeKind = "success" | "failure" | "always";

export const EDGE_KINDS: readonly EdgeKind[] = ["success", "failure", "always"];

export const EDGE_TONES: Readonly<Record<EdgeKind, Tone>> = { success: "good", failure: "bad", always: "" };

/** A node of a template, as the REST interface has it. */
export interface TemplateNode {
  id: number;
  identifier: string;
  unified_job_template: number | null;
  all_parents_must_converge: boolean;
  success_nodes: number[];
  failure_nodes: number[];
  always_nodes: number[];
  extra_data: Record<string, unknown>;
  limit: string;
  scm_branch: string;
  job_tags: string;
  skip_tags: string;
  /** After how many seconds its job counts as failed; null: never. */
  timeout: number | null;
  summary_fields: { unified_job_template?: { id: number; name: string; unified_job_type: string } };
}

/** An edge from one node to another. */
export interface Connection {
  source: number;
  target: number;
  kind: EdgeKind;
}

/** Why the server did not take something. */
export interface Reason {
  /** The broken rule, such as `cycle`; "" if it was not a rule of graphs, but for example a right. */
  rule: string;
  text: string;
}

/** An edge that the server did not take, and why. */
export interface Refusal extends Connection, Reason {}

/** A change of a node that the server did not take, and why. */
export interface NodeRefusal extends Reason {
  node: number;
}

/** Return all edges of `nodes`. */
export function listConnections(nodes: readonly TemplateNode[]): Connection[] {
  return nodes.flatMap((node) =>
    EDGE_KINDS.flatMap((kind) => node[`${kind}_nodes`].map((target) => ({ source: node.id, target, kind }))),
  );
}

/** Return what `node` runs, in words. */
export function describeWork(node: TemplateNode): string {
  const wrapped = node.summary_fields.unified_job_template;
  if (!wrapped) {
    return "runs nothing";
  }
  return wrapped.unified_job_type === "workflow_approval" ? `approval: ${wrapped.name}` : wrapped.name;
}

/** Return when a node with several parents begins; "" for other nodes. */
export function describeConvergence(node: TemplateNode, nParents: number): string {
  if (nParents < 2) {
    return "";
  }
  return node.all_parents_must_converge ? "waits for all parents" : "begins after any parent";
}

/** Return boxes and lines. `refusal` is drawn as a line of its own, with its reason, or in the box of its node. */
export function makeEditedParts(nodes: readonly TemplateNode[], refusal: Refusal | NodeRefusal | null): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const connections = listConnections(nodes);
  const refused = refusal === null ? "" : refusal.rule ? `refused: ${refusal.rule}` : "refused";
  const boxes = nodes.map((node) => {
    const convergence = describeConvergence(node, connections.filter((each) => each.target === node.id).length);
    const work = describeWork(node);
    const fault = refusal !== null && "node" in refusal && refusal.node === node.id ? refused : "";
    return {
      id: String(node.id),
      title: node.identifier,
      lines: [work !== node.identifier ? work : "", convergence, fault].filter(Boolean),
      tone: (fault ? "bad" : "") as Tone,
      spoken: [`Node ${node.identifier}`, work, convergence, fault].filter(Boolean).join(", "),
    };
  });
  const lines: GraphEdge[] = connections.map((each) => ({
    source: String(each.source),
    target: String(each.target),
    label: each.kind,
    tone: EDGE_TONES[each.kind],
  }));
  if (refusal !== null && "source" in refusal) {
    lines.push({ source: String(refusal.source), target: String(refusal.target), label: refused, tone: "bad", isRefused: true });
  }
  return { nodes: boxes, edges: lines };
}
