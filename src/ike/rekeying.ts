import { isUnderway, type Memory, type Peer } from "./peer.ts";
import type { Plan } from "./plan.ts";
import { type ChildSa, childrenOf, type IkeSa } from "./sa.ts";
import type { Timings } from "./timings.ts";

/**
 * What remains of the time between two rekeyings when new keys are made, as a part of it. charon spreads its own over the
 * last tenth, at either end by itself: none is due yet.
 */
const remaining = 0.12;
/** What was refused, or lost, is tried again after this. */
const againMs = 60_000;
/** Asked at both ends at once, both would make one: the higher name waits for the other's. */
const higherMs = 2_000;

/**
 * A new CHILD_SA beside one whose time is soon over, before charon rekeys it: charon deletes the old one as soon as it has
 * the new, with all packets that are under way by it, and tells nobody before. Of two that stand side by side packets leave
 * by the newer, and then the older is ended, as whatever else there is twice.
 */
export function renew(plan: Plan, peer: Peer, memory: Memory, live: readonly IkeSa[], timings: Timings): void {
  const [sa, ...others] = live;
  // Of several one is to go first, and what charon was told by others is about to be told anew.
  if (!sa || others.length > 0 || isUnderway(peer) || peer.isStrange) return;
  const siblings = Map.groupBy(childrenOf(peer.sas), ({ name }) => name);
  for (const child of sa.children) {
    if (child.state !== "INSTALLED" || siblings.get(child.name)?.length !== 1) continue;
    if (!peer.wanted.includes(child.name) || memory.lost.has(child.id)) continue;
    const at = renewAt(plan, peer, memory, child, timings);
    const triedAt = memory.renewed.get(child.id) ?? Number.NEGATIVE_INFINITY;
    if (at === undefined || !plan.isDue(Math.max(at, triedAt + againMs))) continue;
    memory.renewed.set(child.id, plan.now);
    plan.add({ do: "initiate", child: child.name, instead: child.id });
    return;
  }
}

/** By the lower name, but by either where somebody asked for it. */
function renewAt(plan: Plan, peer: Peer, memory: Memory, child: ChildSa, timings: Timings): number | undefined {
  const wishedAt = memory.wishes.get(child.name);
  if (wishedAt !== undefined && (memory.installed.get(child.id) ?? plan.now) < wishedAt)
    return wishedAt + (peer.isLower ? 0 : higherMs);
  if (!peer.isLower || child.rekeyInS === undefined) return undefined;
  return plan.now + renewedInS(child.rekeyInS, timings) * 1000;
}

/** Seconds until new keys are made, of those until charon would; negative where that should have been. */
export function renewedInS(rekeyInS: number, { childRekeyS }: Pick<Timings, "childRekeyS">): number {
  return rekeyInS - Math.ceil(childRekeyS * remaining);
}
