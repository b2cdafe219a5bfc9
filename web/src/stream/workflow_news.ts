/** The news of all workflows in this tab. They come through a worker that all tabs of the browser share. */

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { ALIVE_EVERY_MS, type FromTab, type FromWorker } from "./messages.ts";
import { type News, takeEvent } from "./news.ts";

/** The newest news, and when the stream was last heard, in milliseconds. */
export interface HeardNews {
  news: News;
  heardAt: number;
}

/** null: there is no stream, for example because the browser has no shared workers. Then the page polls. */
export const NewsContext = createContext<HeardNews | null>(null);

export function useWorkflowNews(): HeardNews | null {
  return useContext(NewsContext);
}

/** Follow the stream with `token`. */
export function useSharedStream(token: string): HeardNews | null {
  const [heard, setHeard] = useState<HeardNews | null>(null);
  useEffect(() => {
    if (!("SharedWorker" in window)) {
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
  }, [token]);
  return heard;
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
