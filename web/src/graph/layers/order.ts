/** Order the nodes of each layer, so that few edges cross. Every edge joins neighboring layers. (core) */

/** The neighbors of each node in the layer before, and in the layer after. */
export interface Neighbors {
  before: readonly number[][];
  after: readonly number[][];
}

const ROUNDS = 12;
/** After so many rounds without fewer crossings, more rounds would hardly help. */
const PATIENCE = 4;

/** Return the nodes of each layer in a good order. */
export function orderLayers(layers: readonly (readonly number[])[], neighbors: Neighbors): number[][] {
  let now = beginOrder(layers, neighbors);
  let best = now;
  let nBest = countAllCrossings(now, neighbors);
  for (let round = 0, nVain = 0; round < ROUNDS && nVain < PATIENCE && nBest > 0; round += 1, nVain += 1) {
    now = sweep(now, neighbors, round);
    const n = countAllCrossings(now, neighbors);
    if (n < nBest) {
      [best, nBest, nVain] = [now, n, -1];
    }
  }
  return best;
}

/** Return each layer in the order in which a walk along the edges meets its nodes: what belongs together is together. */
function beginOrder(layers: readonly (readonly number[])[], neighbors: Neighbors): number[][] {
  const seen = new Set<number>();
  const layerOf = new Map<number, number>();
  layers.forEach((layer, place) => layer.forEach((node) => layerOf.set(node, place)));
  const ordered: number[][] = layers.map(() => []);
  for (const root of layers.flat()) {
    const way = [root];
    while (way.length > 0) {
      const node = way.pop()!;
      if (!seen.has(node)) {
        seen.add(node);
        ordered[layerOf.get(node)!]!.push(node);
        way.push(...neighbors.after[node]!.toReversed());
      }
    }
  }
  return ordered;
}

/** Return the layers after one sweep: each layer follows the one before it, or in every other round the one after it. */
function sweep(layers: readonly (readonly number[])[], neighbors: Neighbors, round: number): number[][] {
  const isForward = round % 2 === 0;
  const beside = isForward ? neighbors.before : neighbors.after;
  const swept = layers.map((layer) => [...layer]);
  const places = new Map<number, number>();
  const steps = isForward ? [...swept.keys()] : [...swept.keys()].reverse();
  for (const step of steps) {
    const layer = swept[step]!;
    // Ties keep their order in half of the rounds, and turn around in the others.
    const bias = round % 4 < 2 ? 1 : -1;
    const wanted = new Map(layer.map((node, place) => [node, findMean(beside[node]!, places) ?? place]));
    const old = new Map(layer.map((node, place) => [node, place]));
    layer.sort((one, other) => wanted.get(one)! - wanted.get(other)! || bias * (old.get(one)! - old.get(other)!));
    layer.forEach((node, place) => places.set(node, place));
  }
  return swept;
}

function findMean(nodes: readonly number[], places: ReadonlyMap<number, number>): number | null {
  return nodes.length === 0 ? null : nodes.reduce((sum, node) => sum + places.get(node)!, 0) / nodes.length;
}

function countAllCrossings(layers: readonly (readonly number[])[], neighbors: Neighbors): number {
  return layers.slice(1).reduce((sum, layer, place) => sum + countCrossings(layers[place]!, layer, neighbors), 0);
}

/** Return how many edges between two layers cross. */
export function countCrossings(before: readonly number[], layer: readonly number[], neighbors: Neighbors): number {
  const places = new Map(layer.map((node, place) => [node, place]));
  // Of the edges so far, how many end at each place: a tree of sums, in which a sum takes few steps.
  const sums = new Int32Array(layer.length + 1);
  let nEdges = 0;
  let n = 0;
  for (const node of before) {
    const ends = neighbors.after[node]!.map((target) => places.get(target)!);
    for (const end of ends) {
      let nAbove = 0;
      for (let at = end + 1; at > 0; at -= at & -at) {
        nAbove += sums[at]!;
      }
      n += nEdges - nAbove;
    }
    for (const end of ends) {
      for (let at = end + 1; at < sums.length; at += at & -at) {
        sums[at]! += 1;
      }
    }
    nEdges += ends.length;
  }
  return n;
}
