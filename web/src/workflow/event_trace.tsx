/** What is known of one event: the attempts at it, the events that it was made from, and those made from it. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EventTrace, TracedEvent, TracedFamilies } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { changeQuery } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { AttemptList } from "./attempt_list.tsx";
import { DoneList } from "./done_list.tsx";
import { describeExactSpan, describeGeneration, describeState } from "./trace_words.ts";

const SLOW_MS = 20_000;

export function EventTraceView({ path }: { path: string }): VNode {
  const place = usePlace();
  const event = place.query["event"] ?? "";
  const [wished, setWished] = useState(event);
  return (
    <Card title="Trace of an event">
      <form
        class="row"
        aria-label="Choose an event"
        onSubmit={(submitted) => {
          submitted.preventDefault();
          replaceQuery({ event: wished.trim() });
        }}
      >
        <input aria-label="Id of the event" value={wished} onInput={(changed) => setWished(changed.currentTarget.value)} />
        <button type="submit" class="main" disabled={!wished.trim()}>
          Trace
        </button>
      </form>
      {event ? <Trace path={path} event={event} /> : <Families path={path} />}
    </Card>
  );
}

/** The traced events that no task made: those with the newest reports first. */
function Families({ path }: { path: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const address = `${path}/traces`;
  const families = usePolled(address, () => api.get<TracedFamilies>(address), SLOW_MS);
  return (
    <Shown of={families} what="the traced events">
      {(found) =>
        found.families.length ? (
          <>
            <p class="quiet">The first 20 events of a publisher and about one in 1000 others are traced, with all that tasks make from them.</p>
            <Table
              caption="Traced events, the newest reports first"
              rows={found.families}
              keyOf={(family) => family.root}
              columns={[
                { title: "Event", isId: true, cell: (family) => <a href={changeQuery(place, { event: family.root })}>{family.root}</a> },
                { title: "Key", cell: (family) => family.key },
                { title: "Events done", isNumber: true, cell: (family) => family.n_events },
                { title: "First done", cell: (family) => describeInstant(family.first_at) },
                { title: "Took", isNumber: true, cell: (family) => describeExactSpan(family.first_at, family.last_at) },
              ]}
            />
          </>
        ) : (
          <Empty>No traced event is done yet. Give the id of an event, or choose one among the dead letters.</Empty>
        )
      }
    </Shown>
  );
}

function Trace({ path, event }: { path: string; event: string }): VNode {
  const api = useApi();
  const address = `${path}/events/${encodeURIComponent(event)}/trace`;
  const trace = usePolled(address, () => api.get<EventTrace>(address), SLOW_MS);
  return (
    <Shown of={trace} what="the trace">
      {(found) => (
        <>
          {found.events.map((each) => (
            <OneEvent key={each.event_id} of={each} />
          ))}
          {found.is_cut ? <p class="quiet">There is more: a trace has at most 200 relatives of an event, and the newest attempts.</p> : null}
        </>
      )}
    </Shown>
  );
}

function OneEvent({ of }: { of: TracedEvent }): VNode {
  const place = usePlace();
  const name = describeGeneration(of.generation);
  return (
    <section aria-label={`${name} ${of.event_id}`}>
      <h3>
        {name} {of.generation === 0 ? <code>{of.event_id}</code> : <a href={changeQuery(place, { event: of.event_id })}><code>{of.event_id}</code></a>}{" "}
        <Badge state={of.state} />
      </h3>
      <p class="quiet">
        {of.mqid ? `In ${of.alias || of.mqid}. ` : ""}
        {of.made_by ? `Made by ${of.made_by}. ` : ""}
        {of.published_at ? `Published ${describeInstant(of.published_at)}. ` : ""}
        {describeState(of)}
      </p>
      {of.attempts.length ? <AttemptList attempts={of.attempts} /> : null}
      {of.done?.length ? <DoneList attempts={of.done} /> : null}
    </section>
  );
}
