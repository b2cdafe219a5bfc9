/** Place a graph's boxes and lines. dagre computes, and this module gives and takes plain values. (core) */

import { Graph as DagreGraph, layout as placeNodes } from "@dagrejs/dagre";
import type { Tone } from "../parts/texts.ts";

export interface GraphNode {
  id: string;
  title: string;
  lines: string[];
  tone: Tone;
  isStub?: boolean;
  /** What a screen reader says of it. */
  spoken: string;
}

export interface GraphEdge {
  source: string;
  target: string;
  label: string;
  tone: Tone;
  /** The server did not take this edge: it is drawn, and does not exist. */
  isRefused?: boolean;
}

export interface PlacedNode extends GraphNode {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedEdge extends GraphEdge {
  path: string;
  labelX: number;
  labelY: number;
}

export interface Placed {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

const CHARACTER = 7.4;
/** Of the title, which is bold. */
const BOLD_CHARACTER = 8.6;
const LINE = 18;
const MOST_CHARACTERS = 34;
/** Labels get room for a multiple of so many characters: a number that grows a little moves no box. */
const STRETCH = 6;

export function cutText(text: string, most = MOST_CHARACTERS): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function measure(texts: readonly string[]): { width: number; height: number } {
  const widths = texts.map((text, line) => Math.min(text.length, MOST_CHARACTERS) * (line ? CHARACTER : BOLD_CHARACTER));
  return { width: Math.max(...widths, 30) + 26, height: texts.length * LINE + 16 };
}

/** Name the shape of a graph: only if that changes, its boxes get new places, and not with each new number. */
export function nameShape(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): string {
  return JSON.stringify([
    nodes.map((node) => [node.id, Math.max(...[node.title, ...node.lines].map((text) => Math.ceil(text.length / STRETCH))), node.lines.length]),
    edges.map((edge) => [edge.source, edge.target, Math.ceil(edge.label.length / STRETCH)]),
  ]);
}

/** Return the size of an edge's label: room for a multiple of some characters, as `nameShape` counts them. */
function measureLabel(label: string): { width?: number; height?: number } {
  const characters = Math.ceil(Math.min(label.length, MOST_CHARACTERS) / STRETCH) * STRETCH;
  return label ? { width: characters * 6.8 + 12, height: 20 } : {};
}

/** Return the places of all nodes and edges. Edges to nodes that do not exist are left out. */
export function placeGraph(nodes: readonly GraphNode[], edges: readonly GraphEdge[], direction: "LR" | "TB" = "LR"): Placed {
  const graph = new DagreGraph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 26, ranksep: direction === "LR" ? 70 : 48, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) {
    graph.setNode(node.id, measure([node.title, ...node.lines]));
  }
  const known = new Set(nodes.map((node) => node.id));
  const drawn = edges.filter((edge) => known.has(edge.source) && known.has(edge.target));
  drawn.forEach((edge, place) => {
    graph.setEdge(edge.source, edge.target, { ...measureLabel(edge.label), labelpos: "c" }, String(place));
  });
  placeNodes(graph);
  const whole = graph.graph() as { width?: number; height?: number };
  return {
    nodes: nodes.map((node) => ({ ...node, ...(graph.node(node.id) as { x: number; y: number; width: number; height: number }) })),
    edges: drawn.map((edge, place) => {
      const line = graph.edge(edge.source, edge.target, String(place)) as { points: Point[]; x?: number; y?: number };
      const middle = line.points[Math.floor(line.points.length / 2)] ?? { x: 0, y: 0 };
      return { ...edge, path: drawCurve(line.points), labelX: line.x ?? middle.x, labelY: line.y ?? middle.y };
    }),
    width: whole.width ?? 0,
    height: whole.height ?? 0,
  };
}

export interface Point {
  x: number;
  y: number;
}

/** Return the SVG path of a smooth line through `points`. */
export function drawCurve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) {
    return "";
  }
  const parts = [`M${round(first.x)},${round(first.y)}`];
  rest.forEach((point, place) => {
    const next = rest[place + 1];
    const end = next ? { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 } : point;
    parts.push(`Q${round(point.x)},${round(point.y)} ${round(end.x)},${round(end.y)}`);
  });
  return parts.join(" ");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
