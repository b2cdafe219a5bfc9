/** Why a workflow stands as it does, and what helps. The gateway explains; the page only shows it. */

import type { VNode } from "preact";
import type { ExplainedCause, Explanation } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Card } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { useApi } from "../session/session.ts";
import { chooseNotice } from "./severities.ts";

const SLOW_MS = 8_000;

export function Explained({ path }: { path: string }): VNode {
  const api = useApi();
  const explained = usePolled(`${path}/explain`, () => api.get<Explanation>(`${path}/explain`), SLOW_MS);
  return (
    <Card title={explained.value ? `Why it is ${explained.value.standing}` : "Why it stands as it does"}>
      <Shown of={explained} what="the explanation">
        {(found) =>
          found.causes.length === 0 ? (
            <p class="quiet">There is nothing to explain: it goes on by itself.</p>
          ) : (
            <>
              {found.causes.map((cause) => (
                <Cause key={`${cause.cause} ${cause.task_id} ${cause.taskforce_uuid} ${cause.text}`} cause={cause} />
              ))}
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
