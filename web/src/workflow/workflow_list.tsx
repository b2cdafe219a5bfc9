/** All workflows that the caller may see. */

import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { WorkflowsFound } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Ago, Badge, PageHead, Table } from "../parts/basics.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { countOf, describeInstant } from "../parts/texts.ts";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import type { News } from "../stream/news.ts";
import { useWorkflowNews } from "../stream/workflow_news.ts";
import { mergeNews, readWorkflowRows, type WorkflowRow } from "./workflow_rows.ts";

const STEP = 100;
const STATES = ["", "under way", "done", "done with failures", "finished", "aborted"];
const MOST_PAGES = 20;
const SLOW_MS = 60_000;
const NO_NEWS: News = new Map();

export function WorkflowList(): VNode {
  const api = useApi();
  const place = usePlace();
  const heard = useWorkflowNews();
  const [nShown, setShown] = useState(STEP);
  const listed = usePolled(
    "workflows",
    async () => {
      const rows: WorkflowRow[] = [];
      let after: string | null = null;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const body: Record<string, unknown> = after ? { query: {}, after } : { query: {} };
        const found: WorkflowsFound = await api.query("/v1/query/workflows?include=outcome", body);
        rows.push(...readWorkflowRows(found));
        after = found.next_after;
        if (!after) {
          break;
        }
      }
      return rows;
    },
    // The stream tells of workflows that are new, change or end; the list has those that ended long ago.
    heard ? SLOW_MS : 6_000,
  );
  const rows = useMemo(() => mergeNews(listed.value ?? [], heard?.news ?? NO_NEWS), [listed.value, heard?.news]);
  const state = place.query["state"] ?? "";
  const text = place.query["find"] ?? "";
  const chosen = useMemo(
    () => rows.filter((row) => (!state || row.state === state) && row.id.toLowerCase().includes(text.toLowerCase())),
    [rows, state, text],
  );
  return (
    <>
      <PageHead title="Workflows" />
      <div class="row card">
        <div>
          <label for="find">Find by id</label>
          <input id="find" type="search" value={text} onInput={(event) => replaceQuery({ find: event.currentTarget.value })} />
        </div>
        <div>
          <label for="state">State</label>
          <select id="state" value={state} onChange={(event) => replaceQuery({ state: event.currentTarget.value })}>
            {STATES.map((each) => (
              <option key={each} value={each}>
                {each || "any"}
              </option>
            ))}
          </select>
        </div>
        <span class="quiet">{listed.value ? countOf(chosen.length, "workflow") : ""}</span>
      </div>
      <section class="card">
        <Shown of={listed} what="the workflows">
          {() =>
            chosen.length === 0 ? (
              <Empty>{state || text ? "No workflow fits these filters." : "There are no workflows yet. `ewms workflow submit FILE` starts one."}</Empty>
            ) : (
              <>
                <Table
                  caption="Workflows, the newest first"
                  rows={chosen.slice(0, nShown)}
                  keyOf={(row) => row.id}
                  columns={[
                    { title: "Workflow", isId: true, cell: (row) => <a href={writePlace(["workflows", row.id])}>{row.id}</a> },
                    { title: "State", cell: (row) => <Badge state={row.state} /> },
                    { title: "Priority", isNumber: true, cell: (row) => row.priority },
                    { title: "Began", cell: (row) => <Ago at={row.beganAt} /> },
                    { title: "Ended", cell: (row) => describeInstant(row.endedAt) },
                  ]}
                />
                {chosen.length > nShown ? (
                  <p>
                    <button type="button" onClick={() => setShown(nShown + STEP)}>
                      Show {Math.min(STEP, chosen.length - nShown)} more
                    </button>
                  </p>
                ) : null}
              </>
            )
          }
        </Shown>
      </section>
    </>
  );
}
