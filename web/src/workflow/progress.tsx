/** How far a workflow has come. */

import type { VNode } from "preact";
import type { WorkflowProgress } from "../api/generated/ewms.ts";
import { describeNumber } from "../parts/texts.ts";

export function ProgressBar({ progress }: { progress: WorkflowProgress | null | undefined }): VNode {
  if (!progress || progress.n_all === 0) {
    return <span class="quiet">no events yet</span>;
  }
  const failed = progress.n_failed ? <span class="bad">, {describeNumber(progress.n_failed)} failed</span> : null;
  return (
    <div>
      <progress max={progress.n_all} value={progress.n_done} aria-label="Events done" />
      <small>
        {describeNumber(progress.n_done)} of {describeNumber(progress.n_all)}
        {progress.is_whole ? "" : " so far"}
        {failed}
      </small>
    </div>
  );
}
