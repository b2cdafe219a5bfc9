/** Buttons that change something: they ask first if it cannot be taken back, and say what came of it. */

import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";

interface ActionProps {
  text: string;
  /** Carries the action out, and returns what came of it in words. */
  act: () => Promise<string>;
  /** What a person must agree to first; without it the action begins at once. */
  question?: string;
  isDanger?: boolean;
  isMain?: boolean;
  isOff?: boolean;
  /** More to fill in before the action. */
  children?: ComponentChildren;
}

export function Action({ text, act, question, isDanger, isMain, isOff, children }: ActionProps): VNode {
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<{ text: string; isBad: boolean } | null>(null);

  const begin = async (): Promise<void> => {
    setBusy(true);
    setOutcome(null);
    try {
      setOutcome({ text: await act(), isBad: false });
      setAsking(false);
    } catch (failure) {
      setOutcome({ text: describeFailure(failure), isBad: true });
    }
    setBusy(false);
  };
  const look = isDanger ? "danger" : isMain ? "main" : "";
  const needsMore = question !== undefined || children !== undefined;
  return (
    <>
      <button type="button" class={look} disabled={isBusy || isOff} onClick={() => (needsMore ? setAsking(true) : void begin())}>
        {text}
      </button>
      {!isAsking && outcome ? <Outcome of={outcome} /> : null}
      {isAsking ? (
        <Dialog title={text} close={() => setAsking(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void begin();
            }}
          >
            {question ? <p>{question}</p> : null}
            {children}
            {outcome?.isBad ? (
              <div class="notice bad" role="alert">
                {outcome.text}
              </div>
            ) : null}
            <div class="row end">
              <button type="button" onClick={() => setAsking(false)}>
                Cancel
              </button>
              <button type="submit" class={isDanger ? "danger" : "main"} disabled={isBusy}>
                {text}
              </button>
            </div>
          </form>
        </Dialog>
      ) : null}
    </>
  );
}

function Outcome({ of }: { of: { text: string; isBad: boolean } }): VNode {
  return (
    <span class={of.isBad ? "bad" : "good"} role="status">
      {of.text}
    </span>
  );
}

/** A window above the page. Escape closes it, and the keyboard stays in it. */
export function Dialog({ title, close, isWide, children }: { title: string; close: () => void; isWide?: boolean; children: ComponentChildren }): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement || before instanceof SVGElement) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog ref={dialog} class={isWide ? "wide" : ""} aria-label={title} onCancel={close} onClose={close}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

export function describeFailure(failure: unknown): string {
  if (failure instanceof ApiError) {
    // The dialect "awx" has the hint in its text as well.
    return failure.hint && !failure.message.includes(failure.hint) ? `${failure.message} ${failure.hint}` : failure.message;
  }
  return failure instanceof Error ? failure.message : String(failure);
}
