/** What tabs and their shared worker say to each other. */

/** From a tab. `follow` comes first, then `alive` again and again, and `leave` when the tab closes. */
export type FromTab = { kind: "follow"; token: string } | { kind: "alive" } | { kind: "leave" };

/** From the worker. `beat`: the stream is alive, without news. `away`: it is not; the tab polls until the next event. */
export type FromWorker = { kind: "event"; name: string; data: string } | { kind: "beat" } | { kind: "away" };

export const ALIVE_EVERY_MS = 20_000;
