import type { Step } from "./plan.ts";
import type { TunnelEvent } from "./tunnel-event.ts";
import { peerOf } from "./tunnel-key.ts";

/** What of the steps is worth telling. */
export function settled(conn: string, steps: readonly Step[]): TunnelEvent[] {
  const duplicates = steps.filter((step) => "because" in step && step.because === "duplicate");
  const groups = Map.groupBy(duplicates, (step) => ("child" in step ? step.child : undefined));
  return [...groups].map(([child, { length }]) => {
    const event = { type: "tunnel-duplicate", peer: peerOf(conn), ended: length } as const;
    return child === undefined ? event : { ...event, child };
  });
}
