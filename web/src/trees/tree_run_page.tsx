/** One run of a tree: its graph, why each node ran or did not, and the approvals that wait in it. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../api/polling.ts";
import { GraphView } from "../graph/graph_view.tsx";
import { Action } from "../parts/actions.tsx";
import { Badge, Card, Facts, PageHead, Table } from "../parts/basics.tsx";
import { Explained } from "../parts/explained.tsx";
import { Empty, Shown } from "../parts/states.tsx";
import { describeInstant, describeSpan } from "../parts/texts.ts";
import { goTo } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { ApprovalTable } from "./approvals.tsx";
import type { Drawing, TreeJob } from "./awx_objects.ts";
import { NodeJobLink } from "./node_job_link.tsx";
import { makeTreeParts } from "./tree_graph.ts";

const OVER = new Set(["successful", "failed", "error", "canceled"]);

export function TreeRunPage({ id }: { id: string }): VNode {
  const api = useApi();
  const path = `/api/v2/workflow_jobs/${encodeURIComponent(id)}/`;
  const run = usePolled(path, () => api.get<TreeJob>(path));
  const cancel = async (): Promise<string> => {
    await api.send("POST", `${path}cancel/`, {});
    run.refresh();
    return "Canceled.";
  };
  const relaunch = (body: unknown) => async (): Promise<string> => {
    const made = await api.send<{ id: number }>("POST", `${path}relaunch/`, body);
    goTo(writePlace(["trees", "runs", String(made.id)]));
    return "Launched.";
  };
  const seen = run.value;
  return (
    <>
      <PageHead title={seen ? `${seen.name}, run ${id}` : `Run ${id}`} crumbs={[["Trees", "#/trees"], ["Runs", "#/trees?tab=runs"]]}>
        {seen ? (
          <>
            <Badge state={seen.status} />
            {OVER.has(seen.status) ? (
              <>
                {seen.status === "successful" ? null : <Action text="Run the failed nodes again" act={relaunch({ nodes: "failed" })} question="A new run keeps the results of the nodes that ended well." />}
                <Action text="Launch again" act={relaunch({})} question="Launch a new run with the same answers?" />
              </>
            ) : (
              <Action text="Cancel" isDanger act={cancel} question="The nodes under way are canceled, and no other begins." />
            )}
          </>
        ) : null}
      </PageHead>
      <Shown of={run} what="the run">
        {(found) => (
          <>
            <Card title="About it">
              {found.job_explanation ? <div class="notice">{found.job_explanation}</div> : null}
              <Facts
                of={[
                  ["Template", found.workflow_job_template ? <a href={writePlace(["trees", "templates", String(found.workflow_job_template)])}>{found.name}</a> : "deleted"],
                  ["Launched by", `${found.summary_fields.created_by?.username ?? "–"}${found.launch_type === "manual" ? "" : `, ${found.launch_type}`}`],
                  ["Began", describeInstant(found.started)],
                  ["Ended", describeInstant(found.finished)],
                  ["Failures that an edge handled", String(found.handled_failures)],
                  ["Variables", <code>{found.extra_vars || "none"}</code>],
                ]}
              />
            </Card>
            {OVER.has(found.status) ? null : <ApprovalTable run={found.id} />}
            <Explained path={`${path}explain/`} />
          </>
        )}
      </Shown>
      <RunNodes path={path} />
    </>
  );
}

function RunNodes({ path }: { path: string }): VNode {
  const api = useApi();
  const [chosen, setChosen] = useState("");
  const drawing = usePolled(`${path}graph/`, () => api.get<Drawing>(`${path}graph/`));
  return (
    <Card title="Its nodes">
      <Shown of={drawing} what="the graph">
        {(found) => {
          const parts = makeTreeParts(found);
          return parts.nodes.length === 0 ? (
            <Empty>It has no nodes.</Empty>
          ) : (
            <>
              <GraphView title="The run's nodes" nodes={parts.nodes} edges={parts.edges} direction="TB" chosen={chosen} onChoose={(id) => setChosen(id === chosen ? "" : id)} />
              <p />
              <Table
                caption="Nodes, and why each ran or did not"
                rows={found.nodes.filter((node) => !chosen || String(node.id) === chosen)}
                keyOf={(node) => String(node.id)}
                columns={[
                  { title: "Node", cell: (node) => <b>{node.identifier}</b> },
                  { title: "Runs", cell: (node) => node.name || "nothing" },
                  { title: "Status", cell: (node) => <Badge state={node.status ?? "pending"} /> },
                  { title: "Why", cell: (node) => node.why },
                  { title: "Took", cell: (node) => describeSpan(node.started, node.finished) },
                  { title: "Its job", cell: (node) => <NodeJobLink node={node.id} job={node.job} /> },
                ]}
              />
              {chosen ? (
                <button type="button" onClick={() => setChosen("")}>
                  Show all nodes
                </button>
              ) : null}
            </>
          );
        }}
      </Shown>
    </Card>
  );
}
