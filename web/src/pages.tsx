/** The parts of the page, and which of them a place names. */

import type { VNode } from "preact";
import type { Place } from "./routing/routes.ts";
import { Catalogue } from "./catalogue/catalogue.tsx";
import { InventoryPage } from "./catalogue/inventory_page.tsx";
import { JobPage } from "./catalogue/job_page.tsx";
import { TaskPage } from "./catalogue/task_page.tsx";
import { Home } from "./home/home.tsx";
import { Operators } from "./operators/operators.tsx";
import { Empty } from "./parts/states.tsx";
import { ProcessList } from "./processes/process_list.tsx";
import { ProcessPage } from "./processes/process_page.tsx";
import { ProcessStart } from "./processes/process_start.tsx";
import { SubscriptionPage } from "./processes/subscription_list.tsx";
import { TreeList } from "./trees/tree_list.tsx";
import { TreeRunPage } from "./trees/tree_run_page.tsx";
import { TemplatePage } from "./trees/template_page.tsx";
import { WorkflowList } from "./workflow/workflow_list.tsx";
import { WorkflowPage } from "./workflow/workflow_page.tsx";

export const PARTS: ReadonlyArray<{ path: string; title: string }> = [
  { path: "", title: "Home" },
  { path: "workflows", title: "Workflows" },
  { path: "processes", title: "Processes" },
  { path: "trees", title: "Trees" },
  { path: "catalogue", title: "Catalogue" },
  { path: "operators", title: "Operators" },
];

/** Return the part of the page that `place` names. */
export function findPart(place: Place): VNode {
  const [part = "", id = "", below = ""] = place.parts;
  switch (part) {
    case "":
      return <Home />;
    case "workflows":
      return id ? <WorkflowPage key={id} id={id} /> : <WorkflowList />;
    case "processes":
      return findProcessPart(id, below);
    case "trees":
      return id === "templates" && below ? <TemplatePage key={below} id={below} /> : id === "runs" && below ? <TreeRunPage key={below} id={below} /> : <TreeList />;
    case "catalogue":
      return findCataloguePart(id, below);
    case "operators":
      return <Operators />;
    default:
      return (
        <Empty>
          There is no such part. <a href="#/">Go to the home page</a>.
        </Empty>
      );
  }
}

function findProcessPart(id: string, below: string): VNode {
  if (id === "start" && below) {
    return <ProcessStart key={below} name={below} />;
  }
  if (id === "subscriptions" && below) {
    return <SubscriptionPage key={below} id={below} />;
  }
  return id ? <ProcessPage key={id} id={id} /> : <ProcessList />;
}

function findCataloguePart(kind: string, id: string): VNode {
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
