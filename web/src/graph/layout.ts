/** Place a graph's boxes and lines: measure their texts, place them in layers, and draw the lines as curves. (core) */

import type { Tone } from "../parts/texts.ts";
import { type Extent, placeInLayers, type Spot } from "./layers/layers.ts";

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
function measureLabel(label: string): { width: number; height: number } {
  const characters = Math.ceil(Math.min(label.length, MOST_CHARACTERS) / STRETCH) * STRETCH;
  return label ? { width: characters * 6.8 + 12, height: 20 } : { width: 0, height: 0 };
}

/** Return the places of all nodes and edges. Edges to nodes that do not exist are left out. */
export function placeGraph(nodes: readonly GraphNode[], edges: readonly GraphEdge[], direction: "LR" | "TB" = "LR"): Placed {
  const isAcross = direction === "LR";
  const turn = ({ width, height }: { width: number; height: number }): Extent => (isAcross ? { along: width, across: height } : { along: height, across: width });
  const turnBack = ({ along, across }: Spot): Point => (isAcross ? { x: along, y: across } : { x: across, y: along });
  const numbers = new Map(nodes.map((node, number) => [node.id, number]));
  const drawn = edges.filter((edge) => numbers.has(edge.source) && numbers.has(edge.target));
  const sizes = nodes.map((node) => measure([node.title, ...node.lines]));
  const links = drawn.map((edge) => ({ source: numbers.get(edge.source)!, target: numbers.get(edge.target)! }));
  const placed = placeInLayers(sizes.map(turn), links, drawn.map((edge) => turn(measureLabel(edge.label))));
  const whole = turnBack(placed.size);
  return {
    nodes: nodes.map((node, number) => ({ ...node, ...turnBack(placed.nodes[number]!), ...sizes[number]! })),
    edges: drawn.map((edge, number) => {
      const label = turnBack(placed.labels[number]!);
      return { ...edge, path: drawCurve(placed.edges[number]!.map(turnBack)), labelX: label.x, labelY: label.y };
    }),
    width: whole.x,
    height: whole.y,
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
