import assert from "node:assert/strict";
import { test } from "node:test";
import { type Extent, placeInLayers, type Layered, type Spot } from "../src/graph/layers/layers.ts";
import { countCrossings, orderLayers } from "../src/graph/layers/order.ts";
import { findBackEdges, type Link, rankNodes } from "../src/graph/layers/ranks.ts";
import { placeInOrder } from "../src/graph/layers/straighten.ts";

const BOX: Extent = { along: 120, across: 50 };
const LABEL: Extent = { along: 60, across: 20 };

function place(nNodes: number, pairs: ReadonlyArray<readonly [number, number]>, label = LABEL): Layered {
  const links = pairs.map(([source, target]) => ({ source, target }));
  return placeInLayers(Array<Extent>(nNodes).fill(BOX), links, Array<Extent>(pairs.length).fill(label));
}

/** Return numbers from 0 to 1 that look random, and are the same each time. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

function makePairs(nNodes: number, nPairs: number, random: () => number): Array<[number, number]> {
  return Array.from({ length: nPairs }, () => [Math.floor(random() * nNodes), Math.floor(random() * nNodes)]);
}

function overlap(one: Spot, its: Extent, other: Spot, others: Extent): boolean {
  const [along, across] = [(its.along + others.along) / 2, (its.across + others.across) / 2];
  return Math.abs(one.along - other.along) < along - 1e-6 && Math.abs(one.across - other.across) < across - 1e-6;
}

test("boxes and labels never overlap, whatever the graph", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = makeRandom(seed * 7919);
    const nNodes = 1 + Math.floor(random() * 25);
    const pairs = makePairs(nNodes, Math.floor(random() * 40), random);
    const { nodes, labels, edges, size } = place(nNodes, pairs);
    const things: Array<[Spot, Extent]> = nodes.map((spot) => [spot, BOX]);
    pairs.forEach(([source, target], edge) => source !== target && things.push([labels[edge]!, LABEL]));
    things.forEach(([spot, extent], at) => {
      for (const [other, others] of things.slice(at + 1)) {
        assert.ok(!overlap(spot, extent, other, others), `seed ${seed}`);
      }
      assert.ok(spot.along - extent.along / 2 >= 0 && spot.along + extent.along / 2 <= size.along, `seed ${seed}`);
      assert.ok(spot.across - extent.across / 2 >= 0 && spot.across + extent.across / 2 <= size.across, `seed ${seed}`);
    });
    pairs.forEach(([source, target], edge) => {
      const [first, last] = [edges[edge]![0]!, edges[edge]!.at(-1)!];
      assert.ok(Math.abs(first.across - nodes[source]!.across) <= BOX.across, `seed ${seed}`);
      assert.ok(source === target || Math.abs(last.across - nodes[target]!.across) < 1e-9, `seed ${seed}`);
    });
  }
});

test("edges lead forward, and one of a cycle leads back", () => {
  const forward = place(4, [[0, 1], [1, 2], [2, 3], [0, 3]]).nodes.map((spot) => spot.along);
  assert.deepEqual(forward, [...forward].sort((one, other) => one - other));
  const cycle = place(3, [[0, 1], [1, 2], [2, 0]]);
  assert.ok(cycle.nodes[0]!.along < cycle.nodes[2]!.along);
  assert.ok(cycle.edges[2]![0]!.along > cycle.edges[2]!.at(-1)!.along);
  assert.deepEqual([...findBackEdges(2, [{ source: 0, target: 1 }, { source: 1, target: 0 }])], [1]);
});

test("no edge of a cycle is left once the edges that lead back are turned around", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = makeRandom(seed * 104729);
    const links: Link[] = makePairs(12, 30, random).filter(([one, other]) => one !== other).map(([source, target]) => ({ source, target }));
    const back = findBackEdges(12, links);
    const turned = links.map(({ source, target }, edge) => (back.has(edge) ? { source: target, target: source } : { source, target }));
    const ranks = rankNodes(12, turned);
    assert.ok(turned.every(({ source, target }) => ranks[source]! + 2 <= ranks[target]! && (ranks[target]! - ranks[source]!) % 2 === 0));
  }
});

test("a source stands close to what it leads to", () => {
  const ranks = rankNodes(5, [[0, 1], [1, 2], [2, 3], [4, 3]].map(([source, target]) => ({ source: source!, target: target! })));
  assert.deepEqual([...ranks], [0, 2, 4, 6, 4]);
});

test("a chain is a straight line, and so is a long edge", () => {
  const chain = place(5, [[0, 1], [1, 2], [2, 3], [3, 4]]);
  assert.equal(new Set(chain.nodes.map((spot) => Math.round(spot.across))).size, 1);
  const long = place(5, [[0, 1], [1, 2], [2, 3], [3, 4], [0, 4]]).edges[4]!.slice(1, -1);
  const places = long.map((point) => point.across);
  assert.ok(Math.max(...places) - Math.min(...places) < 1);
});

test("a line passes the boxes between its ends without touching them", () => {
  const pairs: Array<[number, number]> = [[0, 1], [1, 2], [2, 3], [0, 3], [0, 4], [4, 3]];
  const { nodes, edges } = place(5, pairs);
  for (const point of edges[3]!.slice(1, -1)) {
    const touched = [1, 2, 4].filter((node) => overlap(nodes[node]!, BOX, point, { along: 1, across: 1 }));
    assert.deepEqual(touched, []);
  }
  // In each of the two ranks between, it goes straight from one side of the boxes to the other.
  assert.ok(edges[3]!.length >= 7);
});

test("a tree is drawn without crossings, also if its edges come in any order", () => {
  const random = makeRandom(42);
  const pairs = Array.from({ length: 14 }, (_, child) => [Math.floor(child / 2), child + 1] as [number, number]).sort(() => random() - 0.5);
  const { nodes } = place(15, pairs);
  const byParent = [...nodes.keys()].slice(7).sort((one, other) => nodes[one]!.across - nodes[other]!.across).map((leaf) => Math.floor((leaf - 1) / 2));
  assert.equal(new Set(byParent.filter((parent, at) => parent !== byParent[at - 1])).size, byParent.filter((parent, at) => parent !== byParent[at - 1]).length);
});

test("crossings are counted as they are seen, and the order leaves none that it need not", () => {
  const neighbors = { before: [[], [], [1], [0]], after: [[3], [2], [], []] };
  assert.equal(countCrossings([0, 1], [2, 3], neighbors), 1);
  assert.equal(countCrossings([1, 0], [2, 3], neighbors), 0);
  const [one, other] = orderLayers([[0, 1], [2, 3]], neighbors);
  assert.equal(countCrossings(one!, other!, neighbors), 0);
});

test("nodes keep their order and distance, and stand where they wish if they can", () => {
  const wish = (middle: number): { middle: number; weight: number } => ({ middle, weight: 1 });
  assert.deepEqual(placeInOrder([wish(0), wish(100)], [0, 10]), [0, 100]);
  assert.deepEqual(placeInOrder([wish(10), wish(0)], [0, 10]), [0, 10]);
  assert.deepEqual(placeInOrder([], []), []);
});

test("a node may lead to itself, and a graph may be empty", () => {
  assert.equal(place(1, [[0, 0]]).edges[0]!.length, 5);
  assert.deepEqual(place(0, []).nodes, []);
});

test("sixty tasks in three columns take a few milliseconds", () => {
  const pairs: Array<[number, number]> = [];
  for (let node = 0; node + 3 < 60; node += 1) {
    pairs.push([node, node + 3], [node, node - (node % 3) + 3 + ((node + 1) % 3)]);
  }
  place(60, pairs);
  const began = process.cpuUsage().user;
  place(60, pairs);
  // Some milliseconds; the limit is for a busy machine.
  assert.ok(process.cpuUsage().user - began < 100_000);
});
