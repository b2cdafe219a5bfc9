/** Make a template without nodes, and go to its graph. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { goTo } from "../routing/place.ts";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import type { Page } from "./awx_objects.ts";

const ORGANIZATIONS = "/api/v2/organizations/?page_size=200&order_by=name";

export function NewTemplate(): VNode {
  const api = useApi();
  const loadOrganizations = (): Promise<Page<{ id: number; name: string }>> => api.get(ORGANIZATIONS);
  const organizations = usePolled(ORGANIZATIONS, loadOrganizations, 60_000);
  const [name, setName] = useState("");
  const [organization, setOrganization] = useState("");
  const [topology, setTopology] = useState("dag");
  const found = organizations.value?.results ?? [];
  const make = async (): Promise<string> => {
    // A quick person sends the form before the list has come.
    const [first] = found.length ? found : (await loadOrganizations()).results;
    const body = { name, topology, organization: Number(organization || first?.id) || null };
    const made = await api.send<{ id: number }>("POST", "/api/v2/workflow_job_templates/", body);
    goTo(writePlace(["trees", "templates", String(made.id)]));
    return "Made.";
  };
  return (
    <Action text="New template" act={make} isMain>
      <div class="field">
        <label for="template-name">Name</label>
        <input id="template-name" required autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="template-organization">Organization</label>
        <select id="template-organization" value={organization} onChange={(event) => setOrganization(event.currentTarget.value)}>
          {found.map((each) => (
            <option key={each.id} value={String(each.id)}>
              {each.name}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="template-topology">Topology</label>
        <select id="template-topology" value={topology} onChange={(event) => setTopology(event.currentTarget.value)}>
          <option value="dag">dag: a node may have several parents</option>
          <option value="tree">tree: a node has one parent</option>
        </select>
      </div>
    </Action>
  );
}
