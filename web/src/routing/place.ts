/** The place that the address bar names. */

import { useEffect, useState } from "preact/hooks";
import { changeQuery, parsePlace, type Place } from "./routes.ts";

export function usePlace(): Place {
  const [hash, setHash] = useState(window.location.hash);
  useEffect(() => {
    const follow = (): void => setHash(window.location.hash);
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  return parsePlace(hash);
}

/** Put a state of this place into the address, without a step in the browser's history. */
export function replaceQuery(change: Record<string, string | undefined>): void {
  const address = changeQuery(parsePlace(window.location.hash), change);
  window.history.replaceState(null, "", address);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export function goTo(address: string): void {
  window.location.hash = address;
}
