/** Choose after which end of a node a new edge is followed. */

import type { VNode } from "preact";
import { EDGE_KINDS, type EdgeKind } from "./tree_parts.ts";

export function EdgeKindChoice({ kind, onChange }: { kind: EdgeKind; onChange: (kind: EdgeKind) => void }): VNode {
  return (
    <fieldset class="row choice">
      <legend>A new edge is followed after</legend>
      {EDGE_KINDS.map((each) => (
        <label key={each}>
          <input type="radio" name="edge-kind" value={each} checked={each === kind} onChange={() => onChange(each)} /> {each}
        </label>
      ))}
    </fieldset>
  );
}
