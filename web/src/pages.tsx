/** The parts of the page, and which of them a place names. */

import type { VNode } from "preact";
import type { Place } from "./routing/routes.ts";
import { type Later, makeLater } from "./parts/later.tsx";
import { Empty } from "./parts/states.tsx";

const HOME = makeLater(async () => (await import("./home/home.tsx")).Home);
const WORKFLOWS = makeLater(async () => (await import("./workflow/workflow_list.tsx")).WorkflowList);
const WORKFLOW = makeLater(async () => (await import("./workflow/workflow_page.tsx")).WorkflowPage);
const PROCESSES = makeLater(async () => (await import("./processes/process_parts.tsx")).ProcessParts);
const TREES = makeLater(async () => (await import("./trees/tree_parts.tsx")).TreeParts);
const CATALOGUE = makeLater(async () => (await import("./catalogue/catalogue_parts.tsx")).CatalogueParts);
const OPERATORS = makeLater(async () => (await import("./operators/operators.tsx")).Operators);

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
      return <HOME.Part />;
    case "workflows":
      return id ? <WORKFLOW.Part key={id} id={id} /> : <WORKFLOWS.Part />;
    case "processes":
      return <PROCESSES.Part id={id} below={below} />;
    case "trees":
      return <TREES.Part kind={id} id={below} />;
    case "catalogue":
      return <CATALOGUE.Part kind={id} id={below} />;
    case "operators":
      return <OPERATORS.Part />;
    default:
      return (
        <Empty>
          There is no such part. <a href="#/">Go to the home page</a>.
        </Empty>
      );
  }
}

/** Fetch the script of the part that `place` names. */
export function fetchPart(place: Place): void {
  const [part = "", id = ""] = place.parts;
  const scripts: Record<string, Pick<Later<object>, "fetch">> = { "": HOME, processes: PROCESSES, trees: TREES, catalogue: CATALOGUE, operators: OPERATORS };
  (part === "workflows" ? (id ? WORKFLOW : WORKFLOWS) : scripts[part])?.fetch();
}

/** Fetch the scripts of all parts, so that none is missing when somebody wants it. */
export function fetchAllParts(): void {
  for (const part of [HOME, WORKFLOWS, WORKFLOW, PROCESSES, TREES, CATALOGUE, OPERATORS]) {
    part.fetch();
  }
}
