/** Place the nodes of ordered layers across the layers, so that edges are short and long edges are straight. (core) */

import type { Neighbors } from "./order.ts";

export interface Spread {
  /** The nodes of each layer, in their order. */
  layers: readonly (readonly number[])[];
  neighbors: Neighbors;
  /** The bends of each edge, from its source to its target. */
  chains: readonly (readonly number[])[];
  /** How broad each node is, and whether it is only a bend of an edge. */
  breadths: readonly number[];
  isBend: readonly boolean[];
  /** The least distance of two nodes beside each other, and of two bends. */
  gap: number;
  bendGap: number;
}

const ROUNDS = 10;
/** How strongly an edge pulls, by how many of its two ends are bends. */
const PULLS = [1, 2, 8] as const;

/** Return the middle of each node across the layers. Nodes of a layer keep their order and their distance. */
export function spreadNodes(spread: Spread): Float64Array {
  const { layers, neighbors, breadths } = spread;
  const middles = new Float64Array(breadths.length);
  const offsets = layers.map((layer) => listOffsets(layer, spread));
  layers.forEach((layer, place) => layer.forEach((node, at) => (middles[node] = offsets[place]![at]!)));
  for (let round = 0; round < ROUNDS; round += 1) {
    const isForward = round % 2 === 0;
    const isLast = round >= ROUNDS - 2;
    const steps = isForward ? [...layers.keys()] : [...layers.keys()].reverse();
    for (const step of steps) {
      const layer = layers[step]!;
      const wishes = layer.map((node) => {
        const beside = isForward ? neighbors.before[node]! : neighbors.after[node]!;
        // At last, both sides count: a node stands between what comes before and what comes after.
        const pulling = isLast ? [...neighbors.before[node]!, ...neighbors.after[node]!] : beside;
        return findWish(node, pulling, middles, spread);
      });
      placeInOrder(wishes, offsets[step]!).forEach((middle, at) => (middles[layer[at]!] = middle));
    }
  }
  straightenChains(spread, offsets, middles);
  return middles;
}

/** Put all bends of an edge onto one line, wherever the nodes beside them leave room for that. */
function straightenChains({ layers, chains }: Spread, offsets: readonly number[][], middles: Float64Array): void {
  const spots = new Map<number, [number, number]>();
  layers.forEach((layer, place) => layer.forEach((node, at) => spots.set(node, [place, at])));
  for (const chain of chains) {
    let [least, most, sum] = [-Infinity, Infinity, 0];
    for (const bend of chain) {
      const [place, at] = spots.get(bend)!;
      const [layer, closest] = [layers[place]!, offsets[place]!];
      const [before, after] = [layer[at - 1], layer[at + 1]];
      least = before === undefined ? least : Math.max(least, middles[before]! + closest[at]! - closest[at - 1]!);
      most = after === undefined ? most : Math.min(most, middles[after]! - closest[at + 1]! + closest[at]!);
      sum += middles[bend]!;
    }
    if (least <= most) {
      const line = Math.min(Math.max(sum / chain.length, least), most);
      chain.forEach((bend) => (middles[bend] = line));
    }
  }
}

interface Wish {
  middle: number;
  weight: number;
}

function findWish(node: number, pulling: readonly number[], middles: Float64Array, { isBend }: Spread): Wish {
  let [sum, weight] = [0, 0];
  for (const other of pulling) {
    const pull = PULLS[Number(isBend[node]) + Number(isBend[other])]!;
    sum += pull * middles[other]!;
    weight += pull;
  }
  // A node that nothing pulls stays where it is, unless others need the place.
  return weight ? { middle: sum / weight, weight } : { middle: middles[node]!, weight: 0.01 };
}

/** Return the middles of a layer's nodes if they stood as closely as they may, beginning at 0. */
function listOffsets(layer: readonly number[], { breadths, isBend, gap, bendGap }: Spread): number[] {
  let at = 0;
  return layer.map((node, place) => {
    const before = layer[place - 1];
    if (before !== undefined) {
      at += (breadths[before]! + breadths[node]!) / 2 + (isBend[before] && isBend[node] ? bendGap : gap);
    }
    return at;
  });
}

/**
 * Return the middles that are closest to the wishes, by the least squares, and keep order and distance. `offsets` are
 * the closest places. Neighbors that come too close form a block, which stands where its nodes wish on average.
 */
export function placeInOrder(wishes: readonly Wish[], offsets: readonly number[]): number[] {
  const blocks: Array<{ middle: number; weight: number; n: number }> = [];
  wishes.forEach(({ middle, weight }, place) => {
    let block = { middle: middle - offsets[place]!, weight, n: 1 };
    for (let last = blocks.at(-1); last && last.middle > block.middle; last = blocks.at(-1)) {
      const sum = last.weight + block.weight;
      block = { middle: (last.middle * last.weight + block.middle * block.weight) / sum, weight: sum, n: last.n + block.n };
      blocks.pop();
    }
    blocks.push(block);
  });
  const shifts = blocks.flatMap(({ middle, n }) => Array<number>(n).fill(middle));
  return shifts.map((shift, place) => shift + offsets[place]!);
}
