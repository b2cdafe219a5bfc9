/** Fill in the form of a definition, and start it. */

import type { VNode } from "preact";
import { ApiError } from "../api/client.ts";
import { isRecord } from "../api/problems.ts";
import { usePolled } from "../api/polling.ts";
import { Card, PageHead } from "../parts/basics.tsx";
import { Shown } from "../parts/states.tsx";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { PagedForm } from "./paged_form.tsx";

const NEVER_MS = 3_600_000;

export function ProcessStart({ name }: { name: string }): VNode {
  const api = useApi();
  const path = `/api/processes/${encodeURIComponent(name)}`;
  const form = usePolled(
    `form ${name}`,
    async () => {
      try {
        // The route of forms starts nothing. It answers with the first page.
        await api.send("POST", `/api/forms/${encodeURIComponent(name)}`, []);
      } catch (failure) {
        if (failure instanceof ApiError && failure.status === 510 && isRecord(failure.body) && isRecord(failure.body["form"])) {
          return failure.body["form"];
        }
        throw failure;
      }
      return {};
    },
    NEVER_MS,
  );
  return (
    <>
      <PageHead title={`Start ${name}`} crumbs={[["Processes", "#/processes"], ["Start one", "#/processes?tab=start"]]} />
      <Card>
        <Shown of={form} what="the form">
          {(first) => (
            <PagedForm
              first={first}
              verb="Go on"
              send={async (pages) => {
                const made = await api.send<{ id: string }>("POST", path, pages);
                window.location.hash = writePlace(["processes", made.id]);
              }}
            />
          )}
        </Shown>
      </Card>
    </>
  );
}
