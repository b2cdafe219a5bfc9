/** Walk through the pages of a long list. The page is in the address. */

import type { VNode } from "preact";
import { replaceQuery, usePlace } from "../routing/place.ts";
import { describeNumber } from "./texts.ts";

/** Return the page that the address names; the first one is 0. */
export function usePageNumber(): number {
  return Math.max(0, Math.trunc(Number(usePlace().query["page"])) || 0);
}

interface PagesProps {
  page: number;
  pageSize: number;
  /** How many rows this page shows. */
  nShown: number;
  /** How many there are in all; NaN if the server does not tell. */
  total: number;
}

export function Pages({ page, pageSize, nShown, total }: PagesProps): VNode | null {
  const isLast = Number.isNaN(total) ? nShown < pageSize : (page + 1) * pageSize >= total;
  if (page === 0 && isLast) {
    return null;
  }
  return (
    <p class="row">
      <button type="button" disabled={page === 0} onClick={() => replaceQuery({ page: String(page - 1) })}>
        Newer
      </button>
      <button type="button" disabled={isLast} onClick={() => replaceQuery({ page: String(page + 1) })}>
        Older
      </button>
      <span class="quiet">{Number.isNaN(total) ? "" : `${describeNumber(total)} in all`}</span>
    </p>
  );
}
