/** The dead letters of a workflow: grouped, read, given to workers again, or discarded. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { DeadLetterGroups, DeadLetters, LetterGroup, LettersHandled } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Action, Dialog } from "../parts/actions.tsx";
import { Ago, Card, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { countOf, describeBytes } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";
import { LetterView } from "./letter_view.tsx";
import { describeHandled } from "./letters_handled.ts";

const MOST_CALLS = 50;

export function Letters({ path, isOver }: { path: string; isOver: boolean }): VNode {
  const api = useApi();
  const groups = usePolled(`${path}/dead-letters/groups`, () => api.get<DeadLetterGroups>(`${path}/dead-letters/groups`), 6_000);
  return (
    <Card title="Dead letters: events that failed for good">
      <Shown of={groups} what="the dead letters">
        {(found) =>
          found.groups.length === 0 ? (
            <Empty>There are no dead letters.</Empty>
          ) : (
            <>
              <p class="quiet">{countOf(found.n_letters, "event")} in all, grouped by task and error.</p>
              {found.groups.map((group) => (
                <Group key={`${group.task_id} ${group.signature}`} path={path} group={group} isOver={isOver} refresh={groups.refresh} />
              ))}
            </>
          )
        }
      </Shown>
    </Card>
  );
}

interface GroupProps {
  path: string;
  group: LetterGroup;
  isOver: boolean;
  refresh: () => void;
}

function Group({ path, group, isOver, refresh }: GroupProps): VNode {
  const api = useApi();
  const [isOpen, setOpen] = useState(false);
  // The interface handles 200 letters at a time, so repeat until none is left.
  const handle = async (action: "replay" | "discard"): Promise<string> => {
    const body = { task_id: group.task_id, signature: group.signature };
    const sums: LettersHandled[] = [];
    for (let call = 0; call < MOST_CALLS; call += 1) {
      const handled = await api.send<LettersHandled>("POST", `${path}/dead-letters/actions/${action}`, body);
      sums.push(handled);
      if (!handled.n_left || !handled.n_done) {
        break;
      }
    }
    refresh();
    return describeHandled(sums, action === "replay" ? "given to workers again" : "discarded");
  };
  return (
    <section class="card" aria-label={group.text}>
      <div class="head">
        <h3>{group.text || group.reason}</h3>
        <span class="spacer" />
        <Action text="Replay" isMain isOff={isOver} act={() => handle("replay")} question={`Give ${countOf(group.n_letters, "event")} to the workers again, with new attempts?`} />
        <Action text="Discard" isDanger act={() => handle("discard")} question={`Discard ${countOf(group.n_letters, "event")} for good? This cannot be taken back.`} />
      </div>
      <p class="quiet">
        {countOf(group.n_letters, "event")}, {describeBytes(group.n_bytes)}; the last one <Ago at={group.last_at} />. Reason: {group.reason}.
      </p>
      <pre tabindex={0}>{group.example}</pre>
      <p>
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Hide the events" : "Show the events"}
        </button>
      </p>
      {isOpen ? <GroupLetters path={path} group={group} /> : null}
    </section>
  );
}

function GroupLetters({ path, group }: { path: string; group: LetterGroup }): VNode {
  const api = useApi();
  const [read, setRead] = useState("");
  const query = new URLSearchParams({ task_id: group.task_id, signature: group.signature, limit: "50" });
  const address = `${path}/dead-letters?${query}`;
  const letters = usePolled(address, () => api.get<DeadLetters>(address), 10_000);
  return (
    <Shown of={letters} what="the events">
      {(found) => (
        <>
          <Table
            caption="Dead letters of this group, the oldest first"
            rows={found.dead_letters}
            keyOf={(letter) => letter.letter}
            columns={[
              { title: "Event", isId: true, cell: (letter) => <button type="button" class="plain" onClick={() => setRead(letter.letter)}>{letter.key || letter.event_id}</button> },
              { title: "Attempts", isNumber: true, cell: (letter) => letter.attempts ?? "?" },
              { title: "Replays", isNumber: true, cell: (letter) => letter.n_replays },
              { title: "Died", cell: (letter) => <Ago at={letter.dead_at} /> },
              { title: "Size", isNumber: true, cell: (letter) => describeBytes(letter.n_bytes) },
              { title: "Begins with", cell: (letter) => <code>{letter.excerpt.slice(0, 120)}</code> },
            ]}
          />
          {found.next_after ? <p class="quiet">The oldest 50 are shown. The others appear when these are dealt with.</p> : null}
          {read ? (
            <Dialog title="A dead letter" isWide close={() => setRead("")}>
              <LetterView path={path} letter={read} />
              <div class="row end">
                <button type="button" onClick={() => setRead("")}>
                  Close
                </button>
              </div>
            </Dialog>
          ) : null}
        </>
      )}
    </Shown>
  );
}
