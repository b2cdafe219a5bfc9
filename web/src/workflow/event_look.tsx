/** Look at the events that wait in a queue, and download them. All of them stay in the queue. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EventsShown } from "../api/generated/ewms.ts";
import { Action } from "../parts/actions.tsx";
import { Table } from "../parts/basics.tsx";
import { Empty, Failure, Loading } from "../parts/states.tsx";
import { countOf, describeBytes } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

const N_SHOWN = 50;
const MOST_CHARACTERS = 2_000;

export function EventLook({ address, name }: { address: string; name: string }): VNode {
  const api = useApi();
  const [isBusy, setBusy] = useState(false);
  const [seen, setSeen] = useState<EventsShown | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const look = async (): Promise<void> => {
    setBusy(true);
    setFailure(null);
    try {
      setSeen(await api.get<EventsShown>(`${address}?limit=${N_SHOWN}`));
    } catch (error) {
      setFailure(error);
    }
    setBusy(false);
  };
  const download = async (): Promise<string> => {
    const lines = await api.getText(`${address}/lines`);
    if (!lines) {
      return "No event waits in this queue.";
    }
    saveFile(lines, name);
    return `${countOf(lines.split("\n").length - 1, "event")} saved. At most 1,000 events and 8 MiB at once: ewms queue consume takes all.`;
  };
  return (
    <section aria-label="Look at events">
      <div class="row">
        <button type="button" disabled={isBusy} onClick={() => void look()}>
          Look
        </button>
        <Action text="Download" act={download} />
        <span class="quiet">All events stay in the queue. For a moment other programs do not get them.</span>
      </div>
      {isBusy ? <Loading what="the events" /> : null}
      {failure ? <Failure failure={failure} what="the events" /> : null}
      {seen && !isBusy && !failure ? <SeenEvents seen={seen} /> : null}
    </section>
  );
}

function SeenEvents({ seen }: { seen: EventsShown }): VNode {
  if (seen.events.length === 0) {
    return <Empty>No event waits in this queue.</Empty>;
  }
  return (
    <>
      <Table
        caption="Events that wait in the queue"
        rows={seen.events.map((event, place) => ({ event, place }))}
        keyOf={({ place }) => String(place)}
        columns={[
          { title: "Event", isId: true, cell: ({ event }) => String(event.headers["x-ewms-key"] ?? (event.id || "no id")) },
          { title: "Size", isNumber: true, cell: ({ event }) => describeBytes(event.n_bytes) },
          { title: "Body", cell: ({ event }) => <code>{describeBody(event.body)}</code> },
        ]}
      />
      <p class="quiet" role="status">
        {countOf(seen.events.length, "event")} shown{seen.is_cut || seen.events.length === N_SHOWN ? "; the queue may hold more" : ""}.
      </p>
    </>
  );
}

function describeBody(body: unknown): string {
  const text = JSON.stringify(body) ?? "";
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

function saveFile(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
