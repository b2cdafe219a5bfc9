/** The hosts of a job by what became of them. */

import type { VNode } from "preact";
import { chooseTone } from "../parts/texts.ts";

export function HostBars({ hosts }: { hosts: Record<string, number> }): VNode {
  const told = Object.entries(hosts).filter(([, n]) => n > 0);
  const total = told.reduce((sum, [, n]) => sum + n, 0);
  return (
    <div>
      <div class="bars" aria-hidden="true">
        {told.map(([state, n]) => (
          <i key={state} class={chooseTone(state)} style={{ width: `${(100 * n) / total}%` }} />
        ))}
      </div>
      <small>{told.map(([state, n]) => `${n} ${state}`).join(", ") || "none"}</small>
    </div>
  );
}
