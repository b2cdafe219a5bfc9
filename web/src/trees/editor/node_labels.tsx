/** The labels that a node gives to its job: see, add and take away. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../../api/polling.ts";
import { useApi } from "../../session/session.ts";
import { addLabel, type Label, listLabels, removeLabel } from "./tree_calls.ts";
import type { TemplateNode } from "./tree_parts.ts";

const EVERY_MS = 15_000;

interface NodeLabelsProps {
  node: TemplateNode;
  /** Whether what the node runs asks for labels. */
  isAsked: boolean;
  change: (act: Promise<unknown>) => Promise<boolean>;
}

export function NodeLabels({ node, isAsked, change }: NodeLabelsProps): VNode | null {
  const api = useApi();
  const labels = usePolled(`labels of node ${node.id}`, () => listLabels(api, node.id), EVERY_MS);
  const [name, setName] = useState("");
  const found = labels.value ?? [];
  if (!isAsked && found.length === 0) {
    return null;
  }
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await change(addLabel(api, node.id, name))) {
      setName("");
    }
    labels.refresh();
  };
  const remove = async (label: Label): Promise<void> => {
    await change(removeLabel(api, node.id, label.id));
    labels.refresh();
  };
  return (
    <>
      <form class="row" onSubmit={(event) => void add(event)}>
        <label for="new-label">Give its job the label</label>
        <input id="new-label" required autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit">Add</button>
      </form>
      <ul class="plain" aria-label={`Labels of ${node.identifier}`}>
        {found.map((each) => (
          <li key={each.id} class="row">
            <b>{each.name}</b>
            <button type="button" aria-label={`Remove the label ${each.name}`} onClick={() => void remove(each)}>
              Remove
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
