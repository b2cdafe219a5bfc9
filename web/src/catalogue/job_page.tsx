/** One job: its hosts with what became of each, and their logs. */

import type { VNode } from "preact";
import type { JobHostsAnswer, JobLogAnswer, JobSeen } from "../api/generated/craton.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Badge, Card, Facts, PageHead, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant } from "../parts/texts.ts";
import { joinLogLines } from "./log_lines.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { HostBars } from "./host_bars.tsx";

const OVER = new Set(["successful", "failed", "error", "canceled"]);

export function JobPage({ id }: { id: string }): VNode {
  const api = useApi();
  const place = usePlace();
  const state = place.query["state"] ?? "";
  const host = place.query["host"] ?? "";
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const job = usePolled(path, () => api.get<JobSeen>(path));
  const address = `${path}/hosts?limit=200${state ? `&state=${state}` : ""}`;
  const hosts = usePolled(address, () => api.get<JobHostsAnswer>(address));
  const logAddress = `${path}/log?limit=500${host ? `&host=${encodeURIComponent(host)}` : ""}`;
  const log = usePolled(logAddress, () => api.get<JobLogAnswer>(logAddress));
  const cancel = async (): Promise<string> => {
    await api.send("POST", `${path}/actions/cancel`);
    job.refresh();
    return "Canceled.";
  };
  const rerun = async (): Promise<string> => {
    const made = await api.send<JobSeen>("POST", `${path}/actions/rerun`, { hosts: "failed" });
    window.location.hash = writePlace(["catalogue", "jobs", String(made.id)]);
    return "Started.";
  };
  const seen = job.value;
  return (
    <>
      <PageHead title={seen?.title || `Job ${id}`} crumbs={[["Catalogue", "#/catalogue"], ["Jobs", "#/catalogue?tab=jobs"]]}>
        {seen ? (
          <>
            <Badge state={seen.status} />
            {OVER.has(seen.status) ? <Action text="Run the failed hosts again" act={rerun} question="Start a new job on the hosts that failed?" /> : <Action text="Cancel" isDanger act={cancel} question="Hosts that have not begun do not run." />}
          </>
        ) : null}
      </PageHead>
      <Shown of={job} what="the job">
        {(found) => (
          <Card title="About it">
            {found.explanation ? <div class="notice">{found.explanation}</div> : null}
            <Facts
              of={[
                ["Hosts", <HostBars hosts={found.hosts} />],
                ["Tasks", found.tasks.map((each) => `${each.name} ${each.version}`).join(", ")],
                ["Inventory", found.inventory_name],
                ["Strategy", String(found.strategy)],
                ["By", found.owner],
                ["Began", describeInstant(found.started_at)],
                ["Ended", describeInstant(found.ended_at)],
              ]}
            />
          </Card>
        )}
      </Shown>
      <Card
        title="Hosts"
        more={
          <select aria-label="Hosts in the state" value={state} onChange={(event) => replaceQuery({ state: event.currentTarget.value })}>
            {["", "pending", "ok", "failed", "error", "skipped", "canceled"].map((each) => (
              <option key={each} value={each}>
                {each || "any state"}
              </option>
            ))}
          </select>
        }
      >
        <Shown of={hosts} what="the hosts">
          {(found) =>
            found.hosts.length === 0 ? (
              <Empty>No host is in this state.</Empty>
            ) : (
              <Table
                caption="Hosts of the job"
                rows={found.hosts}
                keyOf={(row) => String(row.place)}
                columns={[
                  { title: "Host", cell: (row) => <button type="button" class="plain" onClick={() => replaceQuery({ host: row.name })}>{row.name}</button> },
                  { title: "State", cell: (row) => <Badge state={row.state} /> },
                  { title: "Tasks", cell: (row) => row.results.map((each) => `${each.name}: ${each.state}${each.reason ? ` (${each.reason})` : ""}`).join("; ") },
                ]}
              />
            )
          }
        </Shown>
      </Card>
      <Card title={host ? `Log of ${host}` : "Log"} more={host ? <button type="button" onClick={() => replaceQuery({ host: undefined })}>Show all hosts</button> : null}>
        <Shown of={log} what="the log">
          {(found) =>
            found.parts.length === 0 ? (
              <Empty>Nothing has been written yet.</Empty>
            ) : (
              <pre tabindex={0}>{joinLogLines(found.parts, !host)}</pre>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
