/** The errors of a workflow's tasks, by what they say. */

import type { VNode } from "preact";
import type { Errors } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Card } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { countOf } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

export function ErrorList({ path }: { path: string }): VNode {
  const api = useApi();
  const errors = usePolled(`${path}/errors`, () => api.get<Errors>(`${path}/errors`), 6_000);
  return (
    <Card title="Errors of tasks">
      <Shown of={errors} what="the errors">
        {(found) =>
          found.errors.length === 0 ? (
            <Empty>No attempt has failed.</Empty>
          ) : (
            found.errors.map((each) => (
              <section class="card" key={`${each.task_id} ${each.signature}`} aria-label={each.text}>
                <h3>{each.text || "no message"}</h3>
                <p class="quiet">
                  {countOf(each.n_attempts, "attempt")} at {countOf(each.n_events, "event")} on {countOf(each.n_machines, "machine")}; last{" "}
                  <Ago at={each.last_at} />
                </p>
                <pre tabindex={0}>{each.example}</pre>
              </section>
            ))
          )
        }
      </Shown>
    </Card>
  );
}
