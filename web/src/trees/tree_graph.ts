/** Make the boxes and lines of a tree's graph. (core) */

import type { GraphEdge, GraphNode } from "../graph/layout.ts";
import { chooseTone } from "../parts/texts.ts";
import type { Drawing } from "./awx_objects.ts";
import { EDGE_TONES } from "./editor/tree_parts.ts";

export function makeTreeParts(drawing: Drawing): { nodes: GraphNode[]; edges: GraphEdge[] } {
  return {
    nodes: drawing.nodes.map((node) => {
      const status = node.status ?? "";
      const title = node.identifier || node.name;
      return {
        id: String(node.id),
        title,
        lines: [node.name !== title ? node.name : "", status].filter(Boolean),
        tone: chooseTone(status),
        spoken: `Node ${title}${status ? `, ${status}` : ""}${node.why ? `. ${node.why}` : ""}`,
      };
    }),
    edges: drawing.edges.map((edge) => ({
      source: String(edge.source),
      target: String(edge.target),
      label: edge.kind,
      tone: EDGE_TONES[edge.kind],
    })),
  };
}
