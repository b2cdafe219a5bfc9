/** All that can be done with the chosen node: its fields, its edges, its convergence, its removal. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { Action } from "../../parts/actions.tsx";
import { Facts } from "../../parts/basics.tsx";
import { useApi } from "../../session/session.ts";
import { NodeForm } from "./node_form.tsx";
import { disconnectNodes, removeNode, setConvergence } from "./tree_calls.ts";
import { type Connection, describeWork, type EdgeKind, listConnections, type Reason, type TemplateNode } from "./tree_parts.ts";

interface NodePanelProps {
  node: TemplateNode;
  nodes: readonly TemplateNode[];
  /** The kind of a new edge. */
  kind: EdgeKind;
  mayEdit: boolean;
  connect: (connection: Connection) => Promise<void>;
  /** Why the server did not take the last change of this node. */
  refusal: Reason | null;
  onChanged: () => void;
  onRefused: (failure: unknown) => void;
  close: () => void;
}

export function NodePanel({ node, nodes, kind, mayEdit, connect, refusal, onChanged, onRefused, close }: NodePanelProps): VNode {
  const api = useApi();
  const [target, setTarget] = useState("");
  const [isChanging, setChanging] = useState(false);
  const connections = listConnections(nodes);
  const name = (id: number): string => nodes.find((each) => each.id === id)?.identifier ?? `#${id}`;
  const change = async (act: Promise<unknown>): Promise<boolean> => {
    try {
      await act;
    } catch (failure) {
      onRefused(failure);
      return false;
    }
    onChanged();
    return true;
  };
  const remove = async (): Promise<string> => {
    await removeNode(api, node.id);
    close();
    onChanged();
    return "Removed.";
  };
  const others = nodes.filter((each) => each.id !== node.id);
  const edgesOf = (edges: Connection[], other: "source" | "target", word: string): VNode => (
    <ul class="plain">
      {edges.map((edge) => (
        <li key={`${edge.source} ${edge.kind} ${edge.target}`} class="row">
          {edge.kind} {word} <b>{name(edge[other])}</b>
          {mayEdit ? (
            <button type="button" aria-label={`Remove the edge from ${name(edge.source)} to ${name(edge.target)}`} onClick={() => void change(disconnectNodes(api, edge))}>
              Remove
            </button>
          ) : null}
        </li>
      ))}
      {edges.length ? null : <li class="quiet">none</li>}
    </ul>
  );
  return (
    <section class="card" aria-label={`Node ${node.identifier}`}>
      <div class="head">
        <h3>{node.identifier}</h3>
        <span class="spacer" />
        {mayEdit ? (
          <button type="button" aria-expanded={isChanging} onClick={() => setChanging(!isChanging)}>
            Change the node
          </button>
        ) : null}
        {mayEdit ? <Action text="Remove the node" isDanger act={remove} question="Its edges go with it. The nodes after it become roots, and begin with the tree." /> : null}
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
      {refusal ? (
        <div class="notice bad" role="alert">
          <b>The change of {node.identifier} is refused.</b> {refusal.text}
        </div>
      ) : null}
      {isChanging ? <NodeForm node={node} change={change} /> : null}
      <Facts
        of={[
          ["Runs", describeWork(node)],
          ["It begins", edgesOf(connections.filter((each) => each.target === node.id), "source", "of")],
          ["After it", edgesOf(connections.filter((each) => each.source === node.id), "target", "leads to")],
        ]}
      />
      {mayEdit ? (
        <>
          <p />
          <label>
            <input type="checkbox" checked={node.all_parents_must_converge} onChange={(event) => void change(setConvergence(api, node.id, event.currentTarget.checked))} /> Wait for all of its parents, not only one
          </label>
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              void connect({ source: node.id, target: Number(target), kind });
            }}
          >
            <label for="edge-target">After its {kind === "always" ? "end" : kind}, run</label>
            <select id="edge-target" required value={target} onChange={(event) => setTarget(event.currentTarget.value)}>
              <option value="">Choose a node</option>
              {others.map((each) => (
                <option key={each.id} value={String(each.id)}>
                  {each.identifier}
                </option>
              ))}
            </select>
            <button type="submit">Connect</button>
          </form>
        </>
      ) : null}
    </section>
  );
}
