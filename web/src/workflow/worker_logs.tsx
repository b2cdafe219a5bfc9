/** The stdout and stderr of a taskforce's workers. */

import type { VNode } from "preact";
import type { WorkerLogs } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { useState } from "preact/hooks";
import { Empty, Shown } from "../parts/states.tsx";
import { describeBytes } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

const TAIL_BYTES = 65_536;

export function WorkerLogsView({ taskforce }: { taskforce: string }): VNode {
  const api = useApi();
  const [name, setName] = useState("");
  const path = `/v1/taskforces/${encodeURIComponent(taskforce)}/logs`;
  const logs = usePolled(path, () => api.get<WorkerLogs>(path), 10_000);
  const text = usePolled(name && `${path}/${name}`, () => api.getText(`${path}/${encodeURIComponent(name)}?tail=${TAIL_BYTES}`), 5_000);
  return (
    <Shown of={logs} what="the logs">
      {(found) =>
        found.logs.length === 0 ? (
          <Empty>The workers have written no logs yet.</Empty>
        ) : (
          <>
            <div class="field">
              <label for="log">Log of a worker</label>
              <select id="log" value={name} onChange={(event) => setName(event.currentTarget.value)}>
                <option value="">Choose one</option>
                {found.logs.map((file) => (
                  <option key={file.name} value={file.name}>
                    {file.name}, {describeBytes(file.n_bytes)}
                  </option>
                ))}
              </select>
            </div>
            {name ? (
              <Shown of={text} what="the log">
                {(lines) => <pre tabindex={0}>{lines || "(empty)"}</pre>}
              </Shown>
            ) : null}
          </>
        )
      }
    </Shown>
  );
}
