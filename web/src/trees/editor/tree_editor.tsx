/** Edit a template's graph by mouse or by keyboard. Each change goes to the server at once, which knows the rules. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../../api/client.ts";
import { isRecord } from "../../api/problems.ts";
import { usePolled } from "../../api/polling.ts";
import { GraphView } from "../../graph/graph_view.tsx";
import { describeFailure } from "../../parts/actions.tsx";
import { Card } from "../../parts/basics.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { useApi } from "../../session/session.ts";
import { EdgeKindChoice } from "./edge_kind_choice.tsx";
import { NewNodeForm } from "./new_node_form.tsx";
import { NodePanel } from "./node_panel.tsx";
import { connectNodes, loadNodes } from "./tree_calls.ts";
import { type Connection, type EdgeKind, makeEditedParts, type NodeRefusal, type Reason, type Refusal, type TemplateNode } from "./tree_parts.ts";

const EVERY_MS = 15_000;

export function TreeEditor({ path, mayEdit }: { path: string; mayEdit: boolean }): VNode {
  const api = useApi();
  const nodes = usePolled(`${path}workflow_nodes/`, () => loadNodes(api, path), EVERY_MS);
  return (
    <Card title="Its nodes">
      {mayEdit ? null : <p class="quiet">Your roles let you see this graph, and not change it.</p>}
      <Shown of={nodes} what="the nodes">
        {(found) => <EditedGraph path={path} nodes={found} mayEdit={mayEdit} refresh={nodes.refresh} />}
      </Shown>
    </Card>
  );
}

interface EditedGraphProps {
  path: string;
  nodes: TemplateNode[];
  mayEdit: boolean;
  refresh: () => void;
}

function EditedGraph({ path, nodes, mayEdit, refresh }: EditedGraphProps): VNode {
  const api = useApi();
  const [chosen, setChosen] = useState<number | null>(null);
  const [kind, setKind] = useState<EdgeKind>("success");
  const [refusal, setRefusal] = useState<Refusal | NodeRefusal | null>(null);
  const name = (id: number): string => nodes.find((node) => node.id === id)?.identifier ?? `#${id}`;
  const connect = async (connection: Connection): Promise<void> => {
    setRefusal(null);
    try {
      await connectNodes(api, connection);
    } catch (failure) {
      setRefusal({ ...connection, ...readReason(failure) });
    }
    refresh();
  };
  const noteRefusal = (node: number) => (failure: unknown): void => {
    setRefusal({ node, ...readReason(failure) });
    refresh();
  };
  const noteChange = (): void => {
    setRefusal(null);
    refresh();
  };
  const parts = makeEditedParts(nodes, refusal);
  const chosenNode = nodes.find((node) => node.id === chosen);
  return (
    <>
      {mayEdit ? <EdgeKindChoice kind={kind} onChange={setKind} /> : null}
      {nodes.length === 0 ? (
        <Empty>It has no nodes yet.</Empty>
      ) : (
        <GraphView
          title="The template's nodes"
          nodes={parts.nodes}
          edges={parts.edges}
          direction="TB"
          chosen={chosen === null ? "" : String(chosen)}
          onChoose={(id) => setChosen(Number(id) === chosen ? null : Number(id))}
          {...(mayEdit ? { onLink: (source: string, target: string) => void connect({ source: Number(source), target: Number(target), kind }) } : {})}
        />
      )}
      {refusal && "source" in refusal ? (
        <div class="notice bad" role="alert">
          <p>
            <b>
              The edge from {name(refusal.source)} to {name(refusal.target)} by {refusal.kind} is refused.
            </b>{" "}
            {refusal.text}
          </p>
          <button type="button" onClick={() => setRefusal(null)}>
            Take it away
          </button>
        </div>
      ) : null}
      {chosenNode ? (
        <NodePanel
          key={chosenNode.id}
          node={chosenNode}
          nodes={nodes}
          kind={kind}
          mayEdit={mayEdit}
          connect={connect}
          refusal={refusal && "node" in refusal && refusal.node === chosenNode.id ? refusal : null}
          onChanged={noteChange}
          onRefused={noteRefusal(chosenNode.id)}
          close={() => setChosen(null)}
        />
      ) : mayEdit && nodes.length ? (
        <p class="quiet">Draw from one box to another to connect them, or choose a box (Enter) for all that can be done with it.</p>
      ) : null}
      {mayEdit ? <NewNodeForm path={path} nodes={nodes} chosen={chosen} kind={kind} onAdded={(id) => { noteChange(); setChosen(id); }} /> : null}
    </>
  );
}

function readReason(failure: unknown): Reason {
  const body = failure instanceof ApiError ? failure.body : null;
  const rule = isRecord(body) && typeof body["rule"] === "string" ? body["rule"] : "";
  return { rule, text: describeFailure(failure) };
}
