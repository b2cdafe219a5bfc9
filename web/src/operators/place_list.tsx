/** The places where workers run: what is there, which are drained, and the ways to drain one and to undo that. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ClusterLocation, ClustersAnswer, DrainStatus } from "../api/generated/ewms.ts";
import { usePolled } from "../api/polling.ts";
import { Action } from "../parts/actions.tsx";
import { Badge, Card, Table } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { countOf, describeInstant, describeNumber } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";
import { askUndrain, describeDrain, sumByPlace, writeDrain } from "./places.ts";
import { useTaskforces } from "./taskforces.ts";

const SLOW_MS = 15_000;

export function PlaceList(): VNode {
  const api = useApi();
  const clusters = usePolled("clusters", () => api.get<ClustersAnswer>("/v1/clusters"), SLOW_MS);
  const taskforces = useTaskforces();
  return (
    <Card title="Places where workers run">
      <Shown of={clusters} what="the places">
        {(found) => {
          const sums = sumByPlace(taskforces.value ?? []);
          return (
            <Table
              caption="Places with their taskforces and workers"
              rows={found.clusters.filter((each) => !each.alias_of)}
              keyOf={(row) => row.name}
              columns={[
                { title: "Place", cell: (row) => <b>{row.name}</b> },
                { title: "Schedd", cell: (row) => row.schedd },
                { title: "Taskforces", isNumber: true, cell: (row) => describeNumber(sums.get(row.schedd)?.nTaskforces ?? 0) },
                { title: "Running", isNumber: true, cell: (row) => describeNumber(sums.get(row.schedd)?.running ?? 0) },
                { title: "Waiting", isNumber: true, cell: (row) => describeNumber(sums.get(row.schedd)?.idle ?? 0) },
                { title: "Held", isNumber: true, cell: (row) => describeNumber(sums.get(row.schedd)?.held ?? 0) },
                { title: "Workers by default", isNumber: true, cell: (row) => row.n_workers },
                { title: "Starts", cell: (row) => <Standing of={row} /> },
                { title: "Change", cell: (row) => <DrainAction of={row} refresh={clusters.refresh} /> },
              ]}
            />
          );
        }}
      </Shown>
    </Card>
  );
}

function Standing({ of: { drain } }: { of: ClusterLocation }): VNode {
  return drain ? (
    <>
      {drain.is_lost ? <Badge state="lost" tone="bad" /> : <Badge state="drained" tone="warn" />} {describeDrain(drain, describeInstant)}
    </>
  ) : (
    <Badge state="open" tone="good" />
  );
}

interface DrainProps {
  of: ClusterLocation;
  /** Look at the places again. */
  refresh: () => void;
}

/** One button in both states, so that what came of the last click stays beside it. */
function DrainAction({ of: { name, drain }, refresh }: DrainProps): VNode {
  const api = useApi();
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState("");
  const path = `/v1/clusters/${encodeURIComponent(name)}/drain`;
  const begin = async (): Promise<string> => {
    const status = await api.send<DrainStatus>("PUT", path, writeDrain(reason, minutes, Date.now()));
    refresh();
    return `No workers start there any more. ${countOf(status.n_running, "taskforce")} still there.`;
  };
  const end = async (): Promise<string> => {
    const status = await api.send<DrainStatus>("DELETE", path);
    refresh();
    return `Workers start there again. ${countOf(status.n_waiting, "taskforce")} waiting.`;
  };
  return drain ? (
    <Action text={`Undrain ${name}`} act={end} question={askUndrain(drain)} />
  ) : (
    <Action text={`Drain ${name}`} act={begin} question="No workers start at this place until somebody undrains it. Taskforces wait, and users see the reason.">
      <div class="field">
        <label for="drain-reason">Reason, for users</label>
        <input id="drain-reason" autocomplete="off" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="drain-minutes">End its workers after minutes (empty: they end in their own time)</label>
        <input id="drain-minutes" type="number" min="0" value={minutes} onInput={(event) => setMinutes(event.currentTarget.value)} />
      </div>
    </Action>
  );
}
