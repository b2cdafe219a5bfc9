/** One task of the catalogue: its versions, the log of its build, and its approval. */

import type { VNode } from "preact";
import type { TaskSeen, TaskVersionSeen } from "../api/generated/craton.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Badge, Card, Facts, PageHead, Table } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { describeBytes, describeInstant } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

export function TaskPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/v1/tasks/${encodeURIComponent(id)}`;
  const task = usePolled(path, () => api.get<TaskSeen>(path));
  const log = usePolled(`${path}/log`, () => api.getText(`${path}/log`));
  const act = (action: string, body: unknown, done: string) => async (): Promise<string> => {
    await api.send("POST", `${path}/actions/${action}`, body);
    task.refresh();
    return done;
  };
  const seen = task.value;
  const waiting = seen?.versions.find((each) => each.status === "Pending approval");
  return (
    <>
      <PageHead title={seen?.name ?? `Task ${id}`} crumbs={[["Catalogue", "#/catalogue"]]}>
        {seen ? (
          <>
            <Badge state={seen.status} />
            {waiting ? <Decide version={waiting} act={act} /> : null}
            <Action text="Build again" act={act("rebuild", {}, "The build begins.")} />
            {seen.status === "Disabled" ? (
              <Action text="Enable" act={act("enable", {}, "Enabled.")} />
            ) : (
              <Action text="Disable" isDanger question="No new job may use this task until somebody enables it." act={act("disable", {}, "Disabled.")} />
            )}
          </>
        ) : null}
      </PageHead>
      <Shown of={task} what="the task">
        {(found) => (
          <>
            {found.reason ? <div class="notice warn">{found.reason}</div> : null}
            <Card title="About it">
              <Facts
                of={[
                  ["What it does", found.description || "–"],
                  ["Organization", found.organization],
                  ["Owner", found.owner],
                  ["Seen by", String(found.visibility)],
                  ["Code", <code>{found.location}</code>],
                ]}
              />
            </Card>
            <Card title="Versions">
              <Table
                caption="Versions, the newest first"
                rows={[...found.versions].sort((one, other) => other.number - one.number)}
                keyOf={(row) => String(row.number)}
                columns={[
                  { title: "Version", isNumber: true, cell: (row) => row.number },
                  { title: "Status", cell: (row) => <Badge state={row.status} /> },
                  { title: "Commit", isId: true, cell: (row) => row.commit.slice(0, 10) },
                  { title: "It says", cell: (row) => row.commit_subject || row.reason },
                  { title: "Decided by", cell: (row) => row.decided_by || "–" },
                  { title: "Size", isNumber: true, cell: (row) => (row.size_bytes ? describeBytes(row.size_bytes) : "–") },
                  { title: "Made", cell: (row) => describeInstant(row.created_at) },
                ]}
              />
            </Card>
          </>
        )}
      </Shown>
      <Card title="Log of the newest build">
        <Shown of={log} what="the log">
          {(text) => <pre tabindex={0}>{text || "There is no log yet."}</pre>}
        </Shown>
      </Card>
    </>
  );
}

interface DecideProps {
  version: TaskVersionSeen;
  act: (action: string, body: unknown, done: string) => () => Promise<string>;
}

function Decide({ version, act }: DecideProps): VNode {
  const question = `Version ${version.number} is commit ${version.commit} by ${version.commit_author || version.author}: ${version.commit_subject}. Have you read it?`;
  return (
    <>
      <Action text="Approve" isMain question={question} act={act("approve", { version: version.number, commit: version.commit }, "Approved.")} />
      <Action text="Reject" isDanger question={question} act={act("reject", { version: version.number }, "Rejected.")} />
    </>
  );
}
