/** Which part of the processes an address names. */

import type { VNode } from "preact";
import { ProcessList } from "./process_list.tsx";
import { ProcessPage } from "./process_page.tsx";
import { ProcessStart } from "./process_start.tsx";
import { SubscriptionPage } from "./subscription_list.tsx";

export function ProcessParts({ id, below }: { id: string; below: string }): VNode {
  if (id === "start" && below) {
    return <ProcessStart key={below} name={below} />;
  }
  if (id === "subscriptions" && below) {
    return <SubscriptionPage key={below} id={below} />;
  }
  return id ? <ProcessPage key={id} id={id} /> : <ProcessList />;
}
