/** Draw a placed graph as SVG. Mouse, touch and keyboard move and zoom it, and each box can be chosen by the keyboard. */

import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Link, useLinking } from "./linking.ts";
import { cutText, type GraphEdge, type GraphNode, nameShape, type Placed, placeGraph } from "./layout.ts";
import { fitDrawing, pan, type Size, type Viewport, writeViewBox, zoom } from "./viewport.ts";

interface GraphProps {
  title: string;
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  direction?: "LR" | "TB";
  onChoose?: (id: string) => void;
  /** The box that is chosen now. */
  chosen?: string;
  /** Called when somebody draws a line from one box to another by the mouse. Without it, boxes take no lines. */
  onLink?: (source: string, target: string) => void;
}

const STEP = 60;

export function GraphView({ title, nodes, edges, direction = "LR", onChoose, chosen, onLink }: GraphProps): VNode {
  const pane = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<Size>({ width: 800, height: 400 });
  const [view, setView] = useState<Viewport | null>(null);
  const [drag, setDrag] = useState<{ x: number; y: number } | null>(null);
  const shape = nameShape(nodes, edges);
  const placed = useMemo<Placed>(() => placeGraph(nodes, edges, direction), [shape, direction]);
  const fitted = fitDrawing(placed, size);
  const shown = view ?? fitted;

  useLayoutEffect(() => {
    const element = pane.current;
    if (!element) {
      return;
    }
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => setView(null), [shape]);
  useEffect(() => {
    const element = pane.current;
    const turn = (event: WheelEvent): void => {
      // A plain wheel scrolls the page; a graph that takes it would trap the reader.
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const box = element!.getBoundingClientRect();
        setView((old) => zoom(old ?? fitted, event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - box.left, event.clientY - box.top));
      }
    };
    element?.addEventListener("wheel", turn, { passive: false });
    return () => element?.removeEventListener("wheel", turn);
  }, [fitted.scale, fitted.x, fitted.y]);

  const magnify = (factor: number): void => setView(zoom(shown, factor, size.width / 2, size.height / 2));
  const press = (event: KeyboardEvent): void => {
    const moves: Record<string, () => void> = {
      ArrowLeft: () => setView(pan(shown, STEP, 0)),
      ArrowRight: () => setView(pan(shown, -STEP, 0)),
      ArrowUp: () => setView(pan(shown, 0, STEP)),
      ArrowDown: () => setView(pan(shown, 0, -STEP)),
      "+": () => magnify(1.25),
      "=": () => magnify(1.25),
      "-": () => magnify(0.8),
      "0": () => setView(null),
    };
    const move = moves[event.key];
    if (move && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      move();
    }
  };
  const live = new Map(nodes.map((node) => [node.id, node]));
  const drawn = edges.filter((edge) => live.has(edge.source) && live.has(edge.target));
  const linking = useLinking(onLink);
  return (
    <div class="graph" ref={pane} onKeyDown={press}>
      <svg
        viewBox={writeViewBox(shown, size)}
        class={drag ? "is-moving" : ""}
        role="group"
        aria-label={`${title}. Arrow keys move it, plus and minus zoom.`}
        onPointerDown={(event) => {
          if (event.target === event.currentTarget) {
            event.currentTarget.setPointerCapture(event.pointerId);
            setDrag({ x: event.clientX, y: event.clientY });
          }
        }}
        onPointerMove={(event) => {
          linking.move(event);
          if (drag) {
            setView(pan(shown, event.clientX - drag.x, event.clientY - drag.y));
            setDrag({ x: event.clientX, y: event.clientY });
          }
        }}
        onPointerUp={(event) => {
          linking.end(event);
          setDrag(null);
        }}
        onPointerLeave={linking.cancel}
        onPointerCancel={() => {
          linking.cancel();
          setDrag(null);
        }}
      >
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" orient="auto-start-reverse">
            <path class="arrow" d="M0,0 L8,4 L0,8 z" />
          </marker>
        </defs>
        {placed.edges.map((edge, place) => (
          <EdgeView key={place} path={edge.path} x={edge.labelX} y={edge.labelY} edge={drawn[place] ?? edge} />
        ))}
        {placed.nodes.map((node) => {
          const now = live.get(node.id) ?? node;
          const texts = [now.title, ...now.lines];
          return (
            <g
              key={node.id}
              class={`${now.isStub ? "stub" : now.tone}${chosen === node.id ? " is-chosen" : ""}`}
              data-node={node.id}
              transform={`translate(${node.x - node.width / 2} ${node.y - node.height / 2})`}
              role={onChoose ? "button" : "img"}
              aria-pressed={onChoose && chosen !== undefined ? chosen === node.id : undefined}
              // Preact leaves `tabIndex` of an SVG element out of the keyboard's order.
              tabindex={0}
              aria-label={now.spoken}
              onPointerDown={(event) => linking.begin(event, node.id)}
              onClick={() => onChoose?.(node.id)}
              onKeyDown={(event) => {
                if (event.key === "Enter" || event.key === " ") {
                  event.preventDefault();
                  onChoose?.(node.id);
                }
              }}
            >
              <rect class="box" width={node.width} height={node.height} rx={now.isStub ? node.height / 2 : 8} />
              {texts.map((text, line) => (
                <text key={line} class={line ? "node-line" : "node-title"} x={13} y={22 + line * 18}>
                  {cutText(text)}
                </text>
              ))}
            </g>
          );
        })}
        {linking.link ? <LinkView link={linking.link} placed={placed} view={shown} pane={pane.current} /> : null}
      </svg>
      <div class="tools">
        <button type="button" aria-label="Zoom in" onClick={() => magnify(1.25)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => magnify(0.8)}>
          −
        </button>
        <button type="button" onClick={() => setView(null)}>
          Fit
        </button>
      </div>
    </div>
  );
}

/** The line that somebody draws now: from the middle of a box to the pointer. */
function LinkView({ link, placed, view, pane }: { link: Link; placed: Placed; view: Viewport; pane: Element | null }): VNode | null {
  const source = placed.nodes.find((node) => node.id === link.source);
  const box = pane?.getBoundingClientRect();
  if (!source || !box) {
    return null;
  }
  const [x, y] = [view.x + (link.x - box.left) / view.scale, view.y + (link.y - box.top) / view.scale];
  return <path class="edge link" d={`M${source.x},${source.y} L${x},${y}`} marker-end="url(#arrow)" />;
}

function EdgeView({ path, x, y, edge }: { path: string; x: number; y: number; edge: GraphEdge }): VNode {
  const width = Math.min(edge.label.length, 34) * 6.8 + 8;
  return (
    <g>
      <path class={`edge ${edge.tone}${edge.isRefused ? " is-refused" : ""}`} d={path} marker-end="url(#arrow)" />
      {edge.label ? (
        <g class={`edge-label ${edge.tone}${edge.isRefused ? " is-refused" : ""}`} transform={`translate(${x} ${y})`}>
          <rect x={-width / 2} y={-10} width={width} height={20} rx={4} />
          <text text-anchor="middle" dy="4">
            {cutText(edge.label)}
          </text>
        </g>
      ) : null}
    </g>
  );
}
