/** Give each node of a graph a rank, so that edges lead from lower to higher ranks. (core) */

/** An edge between two nodes, which are numbers from 0 on. */
export interface Link {
  source: number;
  target: number;
}

/** Between the ranks of two nodes that an edge joins lies at least one rank, which has the edge's label. */
const SPAN = 2;

/** Return the edges that lead back to a node from which they come. Turned around, they leave no cycle. */
export function findBackEdges(nNodes: number, links: readonly Link[]): Set<number> {
  const leaving = listLeaving(nNodes, links);
  const back = new Set<number>();
  // 0: not seen, 1: on the way that is followed now, 2: done
  const state = new Uint8Array(nNodes);
  const hasEntry = new Uint8Array(nNodes);
  links.forEach(({ target }) => (hasEntry[target] = 1));
  const roots = [...Array(nNodes).keys()].sort((one, other) => hasEntry[one]! - hasEntry[other]!);
  for (const root of roots) {
    const way: Array<[number, number]> = state[root] === 0 ? [[root, 0]] : [];
    state[root] ||= 1;
    while (way.length > 0) {
      const step = way.at(-1)!;
      const edge = leaving[step[0]]![step[1]++];
      if (edge === undefined) {
        state[step[0]] = 2;
        way.pop();
        continue;
      }
      const next = links[edge]!.target;
      if (state[next] === 1) {
        back.add(edge);
      } else if (state[next] === 0) {
        state[next] = 1;
        way.push([next, 0]);
      }
    }
  }
  return back;
}

/** Return the rank of each node. `links` have no cycle. A node that more edges leave than enter stands close to what follows. */
export function rankNodes(nNodes: number, links: readonly Link[]): Int32Array {
  const leaving = listLeaving(nNodes, links);
  const nEntries = new Int32Array(nNodes);
  links.forEach(({ target }) => (nEntries[target]! += 1));
  const nOpen = nEntries.slice();
  const sorted = [...Array(nNodes).keys()].filter((node) => nOpen[node] === 0);
  const ranks = new Int32Array(nNodes);
  for (let place = 0; place < sorted.length; place += 1) {
    for (const edge of leaving[sorted[place]!]!) {
      const next = links[edge]!.target;
      ranks[next] = Math.max(ranks[next]!, ranks[sorted[place]!]! + SPAN);
      if (--nOpen[next]! === 0) {
        sorted.push(next);
      }
    }
  }
  for (const node of sorted.reverse()) {
    const edges = leaving[node]!;
    if (edges.length > nEntries[node]!) {
      ranks[node] = Math.min(...edges.map((edge) => ranks[links[edge]!.target]!)) - SPAN;
    }
  }
  const lowest = ranks.reduce((least, rank) => Math.min(least, rank), Infinity);
  return ranks.map((rank) => rank - lowest);
}

function listLeaving(nNodes: number, links: readonly Link[]): number[][] {
  const leaving: number[][] = Array.from({ length: nNodes }, () => []);
  links.forEach(({ source }, edge) => leaving[source]!.push(edge));
  return leaving;
}
