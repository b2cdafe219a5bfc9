/** Small parts that every page uses. */

import type { ComponentChildren, VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { changeQuery } from "../routing/routes.ts";
import { usePlace } from "../routing/place.ts";
import { chooseTone, describeInstant, describeSince, type Tone } from "./texts.ts";

export function Badge({ state, tone }: { state: string; tone?: Tone }): VNode {
  return <span class={`badge ${tone ?? chooseTone(state)}`}>{state.replace(/_/g, " ")}</span>;
}

export function Card({ title, children, more }: { title?: string; children: ComponentChildren; more?: ComponentChildren }): VNode {
  return (
    <section class="card" aria-label={title}>
      {title ? (
        <div class="head">
          <h2>{title}</h2>
          <span class="spacer" />
          {more}
        </div>
      ) : null}
      {children}
    </section>
  );
}

interface HeadProps {
  title: string;
  crumbs?: ReadonlyArray<readonly [string, string]>;
  children?: ComponentChildren;
}

/** The head of a page. It also names the browser's tab. */
export function PageHead({ title, crumbs = [], children }: HeadProps): VNode {
  useEffect(() => {
    document.title = `${title} · EWMS`;
  }, [title]);
  return (
    <>
      {crumbs.length ? (
        <nav class="crumbs" aria-label="Where you are">
          {crumbs.map(([text, address]) => (
            <span key={address}>
              <a href={address}>{text}</a> /{" "}
            </span>
          ))}
        </nav>
      ) : null}
      <div class="head">
        <h1>{title}</h1>
        <span class="spacer" />
        {children}
      </div>
    </>
  );
}

/** The tabs of a page. The chosen one is in the address. */
export function Tabs({ tabs, chosen }: { tabs: ReadonlyArray<readonly [string, string]>; chosen: string }): VNode {
  const place = usePlace();
  return (
    <nav class="tabs" aria-label="Parts of this page">
      {tabs.map(([key, text]) => (
        <a key={key} href={changeQuery(place, { tab: key })} aria-current={key === chosen ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}

export function Facts({ of }: { of: ReadonlyArray<readonly [string, ComponentChildren]> }): VNode {
  return (
    <dl class="facts">
      {of.map(([name, value]) => [<dt key={`${name}?`}>{name}</dt>, <dd key={name}>{value}</dd>])}
    </dl>
  );
}

export function Figure({ value, text, tone = "" }: { value: ComponentChildren; text: string; tone?: Tone }): VNode {
  return (
    <div class="figure">
      <b class={tone}>{value}</b>
      <span>{text}</span>
    </div>
  );
}

export function useNow(everyMs = 5_000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const clock = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(clock);
  }, [everyMs]);
  return now;
}

export function Ago({ at }: { at: string | number | null | undefined }): VNode {
  const now = useNow();
  return <span title={describeInstant(at)}>{describeSince(at, now)}</span>;
}

export function Json({ value }: { value: unknown }): VNode {
  return <pre tabindex={0}>{JSON.stringify(value, null, 2)}</pre>;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  isNumber?: boolean;
  isId?: boolean;
}

interface TableProps<Row> {
  caption: string;
  columns: ReadonlyArray<Column<Row>>;
  rows: readonly Row[];
  keyOf: (row: Row) => string;
}

/** A table that a screen reader can name. On a narrow screen it scrolls sideways. */
export function Table<Row>({ caption, columns, rows, keyOf }: TableProps<Row>): VNode {
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={column.isNumber ? "number" : ""}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.title} class={column.isNumber ? "number" : column.isId ? "id mono" : ""}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
