/** Draw a line from one box of a graph to another by mouse, pen or finger. */

import { useState } from "preact/hooks";

/** A line that is being drawn: from a box to a point of the window, in pixels. */
export interface Link {
  source: string;
  x: number;
  y: number;
}

export interface Linking {
  link: Link | null;
  begin: (event: PointerEvent, source: string) => void;
  move: (event: PointerEvent) => void;
  end: (event: PointerEvent) => void;
  cancel: () => void;
}

/** A shorter way of the pointer is a click. In pixels. */
const SHORTEST = 8;

/** Return the line that is being drawn. `onLink` gets both boxes at its end; without it, nothing is drawn. */
export function useLinking(onLink: ((source: string, target: string) => void) | undefined): Linking {
  const [pressed, setPressed] = useState<Link | null>(null);
  const [link, setLink] = useState<Link | null>(null);
  const cancel = (): void => {
    setPressed(null);
    setLink(null);
  };
  return {
    link,
    begin: (event, source) => {
      if (onLink && event.button === 0) {
        setPressed({ source, x: event.clientX, y: event.clientY });
      }
    },
    move: (event) => {
      if (pressed && (link || Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) >= SHORTEST)) {
        setLink({ source: pressed.source, x: event.clientX, y: event.clientY });
      }
    },
    end: (event) => {
      const target = link ? findNode(event.clientX, event.clientY) : "";
      if (link && target && target !== link.source) {
        onLink?.(link.source, target);
      }
      cancel();
    },
    cancel,
  };
}

/** Return the id of the box at a point of the window; "" if there is none. */
function findNode(x: number, y: number): string {
  return document.elementFromPoint(x, y)?.closest("g[data-node]")?.getAttribute("data-node") ?? "";
}
