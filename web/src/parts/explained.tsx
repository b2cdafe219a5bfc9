/** Why an object, such as a workflow or a schedule, stands as it does, and what helps. The gateway explains; the page shows it. */

import type { VNode } from "preact";
import type { ExplainedCause } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { useApi } from "../session/session.ts";
import { Card } from "./basics.tsx";
import { chooseNotice } from "./severities.ts";
import { Shown } from "./states.tsx";

const SLOW_MS = 8_000;

interface Explaining {
  standing: string;
  causes: ExplainedCause[];
  n_left_out?: number;
}

interface ExplainedProps {
  path: string;
  /** The card's title; without it, it says how the object stands. */
  title?: string;
  /** Stands for the causes where there are none. */
  nothing?: string;
}

/** Show what the route `path` explains. */
export function Explained({ path, title, nothing = "There is nothing to explain: it goes on by itself." }: ExplainedProps): VNode {
  const api = useApi();
  const explained = usePolled(path, () => api.get<Explaining>(path), SLOW_MS);
  return (
    <Card title={title ?? (explained.value ? `Why it is ${explained.value.standing}` : "Why it stands as it does")}>
      <Shown of={explained} what="the explanation">
        {(found) =>
          found.causes.length === 0 ? (
            <p class="quiet">{nothing}</p>
          ) : (
            <>
              {found.causes.map((cause) => (
                <Cause key={`${cause.cause} ${cause.task_id} ${cause.taskforce_uuid} ${cause.node} ${cause.text}`} cause={cause} />
              ))}
              {found.n_left_out ? <p class="quiet">{found.n_left_out} more of the same kinds are left out.</p> : null}
            </>
          )
        }
      </Shown>
    </Card>
  );
}

function Cause({ cause }: { cause: ExplainedCause }): VNode {
  return (
    <div class={`notice ${chooseNotice(cause.severity)}`}>
      <p>
        <b>{cause.text}</b>
      </p>
      <p>
        {cause.remedy}
        {cause.command ? (
          <>
            {" "}
            → <code>{cause.command}</code>
          </>
        ) : null}
      </p>
    </div>
  );
}
