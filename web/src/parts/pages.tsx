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

interface OlderPagesProps {
  /** Whether the address names a page that is not the first one. */
  isOlder: boolean;
  /** Where the next page begins; null: this one is the last. */
  nextBefore: number | null;
}

/** Walk through a list whose server names where the next page begins. The address has it as `before`. */
export function OlderPages({ isOlder, nextBefore }: OlderPagesProps): VNode | null {
  if (!isOlder && nextBefore === null) {
    return null;
  }
  return (
    <p class="row">
      <button type="button" disabled={!isOlder} onClick={() => replaceQuery({ before: undefined })}>
        Newest
      </button>
      <button type="button" disabled={nextBefore === null} onClick={() => replaceQuery({ before: String(nextBefore) })}>
        Older
      </button>
    </p>
  );
}
