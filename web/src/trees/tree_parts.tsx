/** Which part of the trees an address names. */

import type { VNode } from "preact";
import { TemplatePage } from "./template_page.tsx";
import { TreeList } from "./tree_list.tsx";
import { TreeRunPage } from "./tree_run_page.tsx";

export function TreeParts({ kind, id }: { kind: string; id: string }): VNode {
  switch (id ? kind : "") {
    case "templates":
      return <TemplatePage key={id} id={id} />;
    case "runs":
      return <TreeRunPage key={id} id={id} />;
    default:
      return <TreeList />;
  }
}
