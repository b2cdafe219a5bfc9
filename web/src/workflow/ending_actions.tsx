/** The ways to end a workflow. */

import type { VNode } from "preact";
import type { DeactivationAnswer, Ending } from "../api/generated/ewms.ts";
import { Action } from "../parts/actions.tsx";
import { countOf } from "../parts/texts.ts";
import { useApi } from "../session/session.ts";

interface EndingProps {
  path: string;
  ending: Ending;
  isOver: boolean;
  refresh: () => void;
}

export function EndingActions({ path, ending, isOver, refresh }: EndingProps): VNode | null {
  const api = useApi();
  if (isOver) {
    return null;
  }
  const end = async (how: string): Promise<string> => {
    const answer = await api.send<DeactivationAnswer>("POST", `${path}/actions/${how}`, {});
    refresh();
    return `${countOf(answer.n_taskforces, "taskforce")} told to stop.`;
  };
  const close = async (): Promise<string> => {
    await api.send<Ending>("POST", `${path}/close-inputs`, {});
    refresh();
    return "Inputs closed.";
  };
  return (
    <>
      {ending.inputs_closed_at === null ? (
        <Action text="Close inputs" act={close} question="No more events will come. The workflow then ends by itself when every event is settled." />
      ) : null}
      <Action text="Finish" act={() => end("finished")} question="The workflow is finished: its workers stop, and events that wait are given up." />
      <Action text="Abort" isDanger act={() => end("abort")} question="The workflow ends as aborted: its workers stop, and events that wait are given up." />
    </>
  );
}
