import { end, endIke, isToAsk, retire } from "./ending.ts";
import { liveOf, type Memory, type Peer, targetOf, upOn } from "./peer.ts";
import type { Plan, Step } from "./plan.ts";
import { isChosen, isMoved, isProven, isSilent } from "./preference.ts";
import { type IkeSa, isLive, isUp } from "./sa.ts";
import type { Timings } from "./timings.ts";
import type { TunnelEvent } from "./tunnel-event.ts";
import { peerOf } from "./tunnel-key.ts";

/** Two that do not come to one by themselves have not after this either. */
const stuckMs = 5_000;
/** The higher name settles only what the lower has left standing for this many times as long. */
const higherPatience = 10;

/**
 * Stale IKE_SAs go once everything is in place beside them: make before break. One that may not stay, since it was made by
 * a key that is the peer's no more, is not let stay because nothing follows, nor because the peer is slow to let it go.
 */
export function replaceStale(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const stale = peer.sas.filter((sa) => isLive(sa) && memory.stale.has(sa.id));
  if (stale.length === 0) return;
  const fresh = liveOf(peer, memory).filter(({ id }) => !memory.stale.has(id));
  if (memory.revokeSince !== undefined && plan.isDue(memory.revokeSince + timings.revokeMs))
    for (const { id } of stale) plan.add({ do: "end-ike", id, because: "revoked", abrupt: true });
  else if (peer.wanted.every((name) => isMoved(plan, peer, memory, upOn(fresh, name), timings)))
    for (const sa of stale) retire(plan, sa, memory, "replaced");
}

/**
 * Of two that stand for one thing the newest stays. By the lower name's choice: an end may take another for the newest, and
 * each would end what the other has chosen. The higher waits until the lower would have done it in any case.
 */
export function settle(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const patience = peer.isLower ? timings.duplicateMs : higherPatience * timings.duplicateMs + 3 * timings.quietMs;
  const [newest, ...older] = targetOf(peer, memory);
  if (isDouble(plan, memory, "", older.length > 0, patience) && newest)
    for (const sa of peer.sas.filter(({ id }) => older.some((each) => each.id === id)))
      settleIke(plan, peer, memory, { newest, sa, timings, patience });
  const children = peer.sas.find(({ id }) => id === newest?.id)?.children ?? [];
  for (const name of peer.wanted) {
    const standing = children.filter((child) => child.name === name && child.state === "INSTALLED");
    const [first, ...extra] = standing.toSorted((a, b) => Number(b.id) - Number(a.id));
    if (!newest || !isDouble(plan, memory, name, extra.length > 0, patience)) continue;
    if (isMoved(plan, peer, memory, first, timings))
      for (const child of extra) end(plan, newest, child, memory, "duplicate");
  }
}

/**
 * Nothing is lost where all that it carries goes by the newest. It is ended whole, with what only it carries, if nothing
 * comes by it: the peer may have begun anew. Where neither comes to be, all moves to a third one: on which of two charon
 * makes a child is not ours to say.
 */
function settleIke(
  plan: Plan,
  peer: Peer,
  memory: Memory,
  { newest, sa, timings, patience }: { newest: IkeSa; sa: IkeSa; timings: Timings; patience: number },
): void {
  const carried = peer.wanted.filter((name) => upOn([sa], name));
  if (carried.every((name) => isMoved(plan, peer, memory, upOn([newest], name), timings))) {
    retire(plan, sa, memory, "duplicate");
    return;
  }
  if (!newest.children.filter(isUp).every((child) => isChosen(plan, memory, child))) return;
  const since = memory.doubleSince.get("") ?? plan.now;
  if (newest.children.some((child) => isProven(memory, child)) && isSilent(plan, memory, sa.children, since))
    endIke(plan, sa, memory, "duplicate");
  else if (plan.isDue(since + patience + stuckMs) && isToAsk(plan, memory, `ike ${newest.id}`))
    plan.add({ do: "retell" });
}

/** Whether there have been two for long enough: a rekeying has two for a moment, and a peer's own settling is awaited. */
function isDouble(plan: Plan, memory: Memory, what: string, isNow: boolean, patience: number): boolean {
  if (!isNow) {
    memory.doubleSince.delete(what);
    return false;
  }
  const since = memory.doubleSince.get(what) ?? plan.now;
  memory.doubleSince.set(what, since);
  return plan.isDue(since + patience);
}

/** What of the steps is worth telling. A CHILD_SA that another follows is none of it: the other one was told. */
export function settled(conn: string, steps: readonly Step[]): TunnelEvent[] {
  const ended = steps.filter((step) => step.do === "end-ike" && step.because === "duplicate" && !step.isAgain).length;
  return ended === 0 ? [] : [{ type: "tunnel-duplicate", peer: peerOf(conn), ended }];
}
