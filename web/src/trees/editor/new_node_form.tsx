/** Add a node: its name, what it runs, and after which node. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { describeFailure } from "../../parts/actions.tsx";
import { useApi } from "../../session/session.ts";
import { APPROVAL, NOTHING } from "./node_fields.ts";
import { addNode, type Work } from "./tree_calls.ts";
import type { EdgeKind, TemplateNode } from "./tree_parts.ts";
import { useTemplates, WorkChoice } from "./work_choice.tsx";

interface NewNodeProps {
  path: string;
  nodes: readonly TemplateNode[];
  chosen: number | null;
  kind: EdgeKind;
  onAdded: (id: number) => void;
}

export function NewNodeForm({ path, nodes, chosen, kind, onAdded }: NewNodeProps): VNode {
  const api = useApi();
  const templates = useTemplates();
  const [identifier, setIdentifier] = useState("");
  const [runs, setRuns] = useState("");
  const [timeout, setTimeoutS] = useState("0");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const parent = nodes.find((node) => node.id === chosen);
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    const work: Work = runs === NOTHING ? null : runs === APPROVAL ? { approval: identifier, timeoutS: Number(timeout) } : { template: Number(runs) };
    try {
      const id = await addNode(api, path, { identifier, work, after: parent ? { parent: parent.id, kind } : null });
      setIdentifier("");
      onAdded(id);
    } catch (failure) {
      setProblem(describeFailure(failure));
    }
    setBusy(false);
  };
  return (
    <form aria-label="Add a node" onSubmit={(event) => void add(event)}>
      <h3>{parent ? `Add a node after ${parent.identifier}` : "Add a node that begins with the tree"}</h3>
      <div class="row fields">
        <div class="field">
          <label for="node-name">Name</label>
          <input id="node-name" required autocomplete="off" value={identifier} onInput={(event) => setIdentifier(event.currentTarget.value)} />
        </div>
        <WorkChoice id="node" label="Runs" templates={templates.value?.results ?? []} runs={runs} timeout={timeout} onRuns={setRuns} onTimeout={setTimeoutS} />
        <button type="submit" disabled={isBusy}>
          Add the node
        </button>
      </div>
      {problem ? (
        <div class="notice bad" role="alert">
          {problem}
        </div>
      ) : null}
    </form>
  );
}
