/**
 * Place a graph in layers: edges lead from one layer to a later one, few of them cross, and long ones are straight. (core)
 *
 *     ranks       each node has a rank; every second rank is for labels
 *     bends       a long edge becomes a chain of bends, one in each rank between; its middle one is as large as its label
 *     order       the nodes of each rank, so that few edges cross
 *     straighten  the places across the ranks
 */

import { type Neighbors, orderLayers } from "./order.ts";
import { findBackEdges, type Link, rankNodes } from "./ranks.ts";
import { spreadNodes } from "./straighten.ts";

/** How large something is along the edges' direction, and across it. */
export interface Extent {
  along: number;
  across: number;
}

export interface Spot {
  along: number;
  across: number;
}

export interface Layered {
  /** The middle of each node. */
  nodes: Spot[];
  /** The points of each edge, from its source to its target. */
  edges: Spot[][];
  /** The middle of each edge's label. */
  labels: Spot[];
  size: Extent;
}

const NODE_GAP = 26;
const BEND_GAP = 14;
/** Between a rank of nodes and a rank of labels. */
const RANK_GAP = 30;
const MARGIN = 16;

/** Return the places of nodes with these extents, and of edges with labels of these extents. */
export function placeInLayers(nodes: readonly Extent[], links: readonly Link[], labels: readonly Extent[]): Layered {
  const loops = new Set([...links.keys()].filter((edge) => links[edge]!.source === links[edge]!.target));
  const straight = [...links.keys()].filter((edge) => !loops.has(edge));
  const back = findBackEdges(nodes.length, straight.map((edge) => links[edge]!));
  const isBack = new Set([...back].map((place) => straight[place]!));
  const turned = links.map((link, edge) => (isBack.has(edge) ? { source: link.target, target: link.source } : link));
  const ranks = [...rankNodes(nodes.length, straight.map((edge) => turned[edge]!))];
  const extents = [...nodes];
  const chains = links.map((): number[] => []);
  for (const edge of straight) {
    const [first, last] = [ranks[turned[edge]!.source]!, ranks[turned[edge]!.target]!];
    // The label stands in a rank of labels, at the middle of the edge or just before it.
    const middle = first + 1 + 2 * Math.floor((last - first - 2) / 4);
    for (let rank = first + 1; rank < last; rank += 1) {
      chains[edge]!.push(extents.length);
      extents.push(rank === middle ? labels[edge]! : { along: 0, across: 0 });
      ranks.push(rank);
    }
  }
  const neighbors = joinNeighbors(extents.length, straight, turned, chains);
  const nRanks = ranks.reduce((most, rank) => Math.max(most, rank + 1), 0);
  const layers: number[][] = Array.from({ length: nRanks }, () => []);
  ranks.forEach((rank, node) => layers[rank]!.push(node));
  const ordered = orderLayers(layers, neighbors);
  const across = spreadNodes({
    layers: ordered,
    neighbors,
    chains,
    breadths: extents.map((extent) => extent.across),
    isBend: extents.map((_, node) => node >= nodes.length),
    gap: NODE_GAP,
    bendGap: BEND_GAP,
  });
  const shift = MARGIN - extents.reduce((least, extent, node) => Math.min(least, across[node]! - extent.across / 2), Infinity);
  const { middles, sizes, length } = placeRanks(ordered, extents);
  const spots = extents.map((_, node) => ({ along: middles[ranks[node]!]!, across: across[node]! + shift }));
  const edges = links.map((link, edge) => {
    if (loops.has(edge)) {
      return drawLoop(spots[link.source]!, nodes[link.source]!);
    }
    const { source, target } = turned[edge]!;
    // Every other rank has labels only, and a line need not go straight past those.
    const bends = chains[edge]!.flatMap((bend) => pass(spots[bend]!, ranks[bend]! % 2 ? 0 : sizes[ranks[bend]!]!));
    const points = [leave(spots[source]!, nodes[source]!, 1), ...bends, leave(spots[target]!, nodes[target]!, -1)];
    return isBack.has(edge) ? points.reverse() : points;
  });
  const ends = extents.map((extent, node) => spots[node]!.across + extent.across / 2);
  return {
    nodes: spots.slice(0, nodes.length),
    edges,
    labels: links.map((_, edge) => findLabel(edges[edge]!, chains[edge]!, extents, spots)),
    size: { along: length, across: ends.reduce((most, end) => Math.max(most, end), 0) + MARGIN },
  };
}

function joinNeighbors(n: number, edges: readonly number[], links: readonly Link[], chains: readonly number[][]): Neighbors {
  const [before, after]: [number[][], number[][]] = [Array.from({ length: n }, () => []), Array.from({ length: n }, () => [])];
  for (const edge of edges) {
    const way = [links[edge]!.source, ...chains[edge]!, links[edge]!.target];
    for (let place = 1; place < way.length; place += 1) {
      after[way[place - 1]!]!.push(way[place]!);
      before[way[place]!]!.push(way[place - 1]!);
    }
  }
  return { before, after };
}

interface RankPlaces {
  /** The middle and the size of each rank along the edges, and the length of all. */
  middles: number[];
  sizes: number[];
  length: number;
}

function placeRanks(layers: readonly (readonly number[])[], extents: readonly Extent[]): RankPlaces {
  let end = MARGIN - RANK_GAP;
  const sizes = layers.map((layer) => layer.reduce((most, node) => Math.max(most, extents[node]!.along), 0));
  const middles = sizes.map((size) => {
    end += RANK_GAP + size;
    return end - size / 2;
  });
  return { middles, sizes, length: Math.max(end, MARGIN) + MARGIN };
}

/** Return the points of a line that passes a rank of this size: it goes straight past the boxes, and cuts none of their corners. */
function pass({ along, across }: Spot, size: number): Spot[] {
  return size ? [{ along: along - size / 2, across }, { along: along + size / 2, across }] : [{ along, across }];
}

/** Return the middle of a box's side: the one after it along the edges (1), or the one before it (-1). */
function leave(spot: Spot, extent: Extent, side: 1 | -1): Spot {
  return { along: spot.along + (side * extent.along) / 2, across: spot.across };
}

/** Return the points of an edge from a box to itself: out on one side, and back from the next. */
function drawLoop(spot: Spot, { along, across }: Extent): Spot[] {
  const [side, end] = [spot.along + along / 2, spot.across + across / 2];
  return [leave(spot, { along, across }, 1), { along: side + 16, across: spot.across }, { along: side + 16, across: end + 12 }, { along: spot.along, across: end + 12 }, { along: spot.along, across: end }];
}

function findLabel(points: readonly Spot[], chain: readonly number[], extents: readonly Extent[], spots: readonly Spot[]): Spot {
  const bend = chain.find((each) => extents[each]!.across > 0);
  return bend === undefined ? (points[Math.floor(points.length / 2)] ?? { along: 0, across: 0 }) : spots[bend]!;
}
