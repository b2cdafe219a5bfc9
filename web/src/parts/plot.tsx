/** A plot of values over time. Its colors follow the theme, which a canvas does not do by itself. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { readColor } from "./theme.ts";

export interface Series {
  name: string;
  values: ReadonlyArray<number | null>;
  /** The name of a color of the theme. */
  color: string;
}

interface PlotProps {
  label: string;
  /** In seconds. */
  times: readonly number[];
  series: readonly Series[];
  height?: number;
}

export function Plot({ label, times, series, height = 220 }: PlotProps): VNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const shape = JSON.stringify(series.map((each) => [each.name, each.color]));
  const data = [times as number[], ...series.map((each) => each.values as Array<number | null>)] as UPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = place.current;
    if (!element) {
      return;
    }
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(makeOptions(series, element.clientWidth, height), latest.current, element);
    };
    draw();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    window.addEventListener("themechange", draw);
    return () => {
      observer.disconnect();
      window.removeEventListener("themechange", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, height]);
  useEffect(() => plot.current?.setData(data), [times, series]);

  return <div class="plot" ref={place} role="img" aria-label={label} />;
}

function makeOptions(series: readonly Series[], width: number, height: number): UPlot.Options {
  const [text, line] = [readColor("--quiet"), readColor("--line")];
  const axis: UPlot.Axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 56 }],
    series: [
      {},
      ...series.map((each) => ({ label: each.name, stroke: readColor(each.color), width: 2, points: { show: false } })),
    ],
  };
}
