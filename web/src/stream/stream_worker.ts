/**
 * One stream of news for all tabs of a browser. The browser runs this script once, as a shared worker, while a tab is open.
 *
 *     tab 1 --follow(token)--+
 *     tab 2 --follow(token)--+--> worker --GET /v1/events--> gateway
 *
 * Tabs with the same token share a stream. A token stays in the worker's memory only as long as a tab follows with it.
 */

import { ALIVE_EVERY_MS, type FromTab, type FromWorker } from "./messages.ts";
import { type News, takeEvent, writeList } from "./news.ts";
import { EventReader } from "./sse.ts";

/** A tab that has said nothing for this long has been closed. Browsers wake the clocks of hidden tabs once a minute. */
const SILENT_MS = ALIVE_EVERY_MS * 9;
/** The server sends at least a comment every 15 s. */
const QUIET_MS = 40_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

class SharedStream {
  readonly #token: string;
  readonly #tabs = new Map<MessagePort, number>();
  readonly #end = new AbortController();
  #news: News | null = null;

  constructor(token: string) {
    this.#token = token;
    void this.#follow();
  }

  addTab(port: MessagePort): void {
    this.#tabs.set(port, Date.now());
    if (this.#news) {
      send(port, { kind: "event", ...writeList(this.#news) });
    }
  }

  noteAlive(port: MessagePort): void {
    this.#tabs.set(port, Date.now());
  }

  /** Forget `port` and tabs that are silent. Return whether a tab is left. */
  removeTabs(port: MessagePort | null): boolean {
    for (const [each, heardAt] of this.#tabs) {
      if (each === port || Date.now() - heardAt > SILENT_MS) {
        this.#tabs.delete(each);
      }
    }
    if (this.#tabs.size === 0) {
      this.#end.abort();
    }
    return this.#tabs.size > 0;
  }

  async #follow(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    while (!this.#end.signal.aborted) {
      const hasBegun = await this.#followOnce().catch(() => false);
      this.#news = null;
      this.#tell({ kind: "away" });
      pause = hasBegun ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      await sleep(pause);
    }
  }

  /** Follow the stream until it breaks. Return whether it began. */
  async #followOnce(): Promise<boolean> {
    const silence = new AbortController();
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.#token) {
      headers["Authorization"] = `Bearer ${this.#token}`;
    }
    const signal = AbortSignal.any([this.#end.signal, silence.signal]);
    const response = await fetch("/v1/events", { headers, cache: "no-store", signal });
    if (!response.ok || !response.body) {
      return false;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventReader();
    for (;;) {
      const clock = setTimeout(() => silence.abort(), QUIET_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(clock));
      if (done) {
        return true;
      }
      const told = events.read(value);
      for (const event of told) {
        this.#news = takeEvent(this.#news ?? new Map(), event);
        this.#tell({ kind: "event", name: event.name, data: event.data });
      }
      if (told.length === 0 && this.#news) {
        this.#tell({ kind: "beat" });
      }
    }
  }

  #tell(message: FromWorker): void {
    for (const port of this.#tabs.keys()) {
      send(port, message);
    }
  }
}

const streams = new Map<string, SharedStream>();

function send(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function removeTabs(port: MessagePort | null): void {
  for (const [token, stream] of streams) {
    if (!stream.removeTabs(port)) {
      streams.delete(token);
    }
  }
}

function welcomeTab(port: MessagePort): void {
  let followed: SharedStream | undefined;
  port.onmessage = ({ data }: MessageEvent<FromTab>): void => {
    if (data.kind === "follow") {
      followed = streams.get(data.token) ?? new SharedStream(data.token);
      streams.set(data.token, followed);
      followed.addTab(port);
    } else if (data.kind === "alive") {
      followed?.noteAlive(port);
    } else {
      removeTabs(port);
    }
  };
}

self.addEventListener("connect", (event) => {
  for (const port of (event as MessageEvent).ports) {
    welcomeTab(port);
  }
});
setInterval(() => removeTabs(null), ALIVE_EVERY_MS);
