/** Which part of the catalogue an address names. */

import type { VNode } from "preact";
import { Catalogue } from "./catalogue.tsx";
import { InventoryPage } from "./inventory_page.tsx";
import { JobPage } from "./job_page.tsx";
import { TaskPage } from "./task_page.tsx";

export function CatalogueParts({ kind, id }: { kind: string; id: string }): VNode {
  switch (id ? kind : "") {
    case "tasks":
      return <TaskPage key={id} id={id} />;
    case "jobs":
      return <JobPage key={id} id={id} />;
    case "inventories":
      return <InventoryPage key={id} id={id} />;
    default:
      return <Catalogue />;
  }
}
