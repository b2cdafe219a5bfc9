/** Publish JSON lines onto a queue: paste them or choose a file. Every line is checked before the first is sent. */

import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { EventsPublished } from "../api/generated/ewms.ts";
import { describeFailure } from "../parts/actions.tsx";
import { countOf, describeBytes, describeNumber } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";
import { type CheckedLines, checkLines, MAX_FILE_BYTES } from "./event_lines.ts";

interface Sending {
  isBusy: boolean;
  nBatches: number;
  nEvents: number;
  failure: string;
}

const NOTHING_SENT: Sending = { isBusy: false, nBatches: 0, nEvents: 0, failure: "" };

export function EventPublisher({ address, isOver }: { address: string; isOver: boolean }): VNode {
  const api = useApi();
  const [text, setText] = useState("");
  const [key, setKey] = useState("");
  const [fileFault, setFileFault] = useState("");
  const [sending, setSending] = useState(NOTHING_SENT);
  const checked = useMemo(() => checkLines(text, key.trim()), [text, key]);
  const isDone = checked.batches.length > 0 && sending.nBatches === checked.batches.length;

  const change = (lines: string): void => {
    setText(lines);
    setSending(NOTHING_SENT);
  };
  const readFile = async (input: HTMLInputElement): Promise<void> => {
    const file = input.files?.[0];
    input.value = "";
    if (!file) {
      return;
    }
    if (file.size > MAX_FILE_BYTES) {
      setFileFault(`${file.name} has ${describeBytes(file.size)}; the page reads at most ${describeBytes(MAX_FILE_BYTES)}. Use ewms queue publish.`);
      return;
    }
    try {
      change(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
      setFileFault("");
    } catch {
      setFileFault(`${file.name} is not UTF-8. Convert it first.`);
    }
  };
  // After a failure, go on with the request that failed: the same request has the same Idempotency-Key.
  const publish = async (): Promise<void> => {
    let now: Sending = { ...sending, isBusy: true, failure: "" };
    setSending(now);
    try {
      for (const batch of checked.batches.slice(now.nBatches)) {
        const body = key.trim() ? { lines: batch.lines, key: key.trim() } : { lines: batch.lines };
        await api.send<EventsPublished>("POST", address, body);
        now = { ...now, nBatches: now.nBatches + 1, nEvents: now.nEvents + batch.nEvents };
        setSending(now);
      }
      setSending({ ...now, isBusy: false });
    } catch (failure) {
      setSending({ ...now, isBusy: false, failure: describeFailure(failure) });
    }
  };
  if (isOver) {
    return <p class="quiet">The workflow is over, so this queue takes no more events.</p>;
  }
  return (
    <form
      aria-label="Publish events"
      onSubmit={(event) => {
        event.preventDefault();
        void publish();
      }}
    >
      <div class="field">
        <label for="event-lines">Events to publish, one JSON value on each line</label>
        <textarea id="event-lines" rows={6} value={text} disabled={sending.isBusy} aria-describedby="event-check" onInput={(event) => change(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="event-file">Or a file with such lines</label>
        <input id="event-file" type="file" accept=".jsonl,.ndjson,.json,.txt,application/jsonl" disabled={sending.isBusy} onChange={(event) => void readFile(event.currentTarget)} />
        {fileFault ? (
          <small class="wrong" role="alert">
            {fileFault}
          </small>
        ) : null}
      </div>
      <div class="field">
        <label for="event-key">Field that identifies an event (may be empty)</label>
        <input
          id="event-key"
          value={key}
          disabled={sending.isBusy}
          onInput={(event) => {
            setKey(event.currentTarget.value);
            setSending(NOTHING_SENT);
          }}
        />
        <small>If you publish an event with the same key again, its task runs again, and its results come once.</small>
      </div>
      <Check of={checked} />
      <div class="row">
        <button type="submit" class="main" disabled={sending.isBusy || isDone || checked.nEvents === 0 || checked.nFaults > 0}>
          {sending.failure ? "Publish the others" : `Publish ${countOf(checked.nEvents, "event")}`}
        </button>
        <span role="status">
          {sending.isBusy || sending.nBatches ? `${describeNumber(sending.nEvents)} of ${countOf(checked.nEvents, "event")} published${isDone ? "." : " …"}` : ""}
        </span>
      </div>
      {sending.failure ? (
        <div class="notice bad" role="alert">
          {sending.failure}
        </div>
      ) : null}
    </form>
  );
}

function Check({ of }: { of: CheckedLines }): VNode {
  return (
    <div id="event-check">
      <p class="quiet">{of.nEvents ? `${countOf(of.nEvents, "event")}, ${describeBytes(of.nBytes)}.` : "No event yet."}</p>
      {of.nFaults ? (
        <div class="notice warn" role="alert">
          <p>
            <b>{countOf(of.nFaults, "line")} cannot be published.</b> Nothing is sent until all are right.
          </p>
          <ul>
            {of.faults.map((fault) => (
              <li key={fault.line}>
                Line {fault.line} {fault.text}
              </li>
            ))}
          </ul>
          {of.nFaults > of.faults.length ? <p>And {countOf(of.nFaults - of.faults.length, "other line")}.</p> : null}
        </div>
      ) : null}
    </div>
  );
}
