/** The news of all workflows in this tab. They come through a worker that all tabs of the browser share. */

import { createContext } from "preact";
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ALIVE_EVERY_MS, type FromTab, type FromWorker } from "./messages.ts";
import { type News, takeEvent } from "./news.ts";

/** The newest news, and when the stream was last heard, in milliseconds. */
export interface HeardNews {
  news: News;
  heardAt: number;
}

/** Where the parts of the page get the news. `heard` is null without a stream, for example in a browser without shared workers. */
export interface NewsSource {
  heard: HeardNews | null;
  /** Say that a part needs the stream. The result says that it does no more. */
  join: () => () => void;
}

/** The stream stays open for so long after the last part that needed it: people go back and forth. */
const LINGER_MS = 30_000;

export const NewsContext = createContext<NewsSource>({ heard: null, join: () => () => {} });

/** Return the news, and keep the stream open meanwhile; null: there is no stream, and the page polls. */
export function useWorkflowNews(): HeardNews | null {
  const { heard, join } = useContext(NewsContext);
  useEffect(join, [join]);
  return heard;
}

/** Follow the stream with `token` while a part of the page needs it. A part that does not costs the gateway no stream. */
export function useSharedStream(token: string): NewsSource {
  const [isWanted, setWanted] = useState(false);
  const [heard, setHeard] = useState<HeardNews | null>(null);
  const nParts = useRef(0);
  const join = useCallback(() => {
    nParts.current += 1;
    setWanted(true);
    return () => {
      nParts.current -= 1;
      window.setTimeout(() => nParts.current === 0 && setWanted(false), LINGER_MS);
    };
  }, []);
  useEffect(() => {
    if (!isWanted || !("SharedWorker" in window)) {
      return;
    }
    const worker = new SharedWorker(new URL("./stream_worker.ts", import.meta.url), { type: "module", name: "ewms-stream" });
    const tell = (message: FromTab): void => worker.port.postMessage(message);
    worker.port.onmessage = ({ data }: MessageEvent<FromWorker>): void => {
      setHeard((old) => takeMessage(old, data, Date.now()));
    };
    tell({ kind: "follow", token });
    const clock = window.setInterval(() => tell({ kind: "alive" }), ALIVE_EVERY_MS);
    const leave = (): void => tell({ kind: "leave" });
    window.addEventListener("pagehide", leave);
    return () => {
      window.clearInterval(clock);
      window.removeEventListener("pagehide", leave);
      leave();
      worker.port.close();
      setHeard(null);
    };
  }, [token, isWanted]);
  return useMemo(() => ({ heard, join }), [heard, join]);
}

function takeMessage(old: HeardNews | null, message: FromWorker, now: number): HeardNews | null {
  switch (message.kind) {
    case "event":
      return { news: takeEvent(old?.news ?? new Map(), message), heardAt: now };
    case "beat":
      return old && { ...old, heardAt: now };
    case "away":
      return null;
  }
}
