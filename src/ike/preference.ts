import { type Outgoing, outgoingOf } from "./outgoing.ts";
import { type Memory, type Peer, upOn } from "./peer.ts";
import type { Plan } from "./plan.ts";
import { type ChildSa, type IkeSa, isLive, isUp } from "./sa.ts";
import type { Timings } from "./timings.ts";

/** A CHILD_SA that is this old is in place at both ends, if no packet of its negotiation was lost. */
const installMs = 1_000;
/** What was under way by another SA when one was preferred has left the host after this. */
const leaveMs = 100;
/** When packets have left by what follows for this long, the peer's may as well: its agent goes by a clock of its own. */
const retireMs = 1_000;

/**
 * The newest CHILD_SA of each name once both ends have it: until then packets leave by the one before, and later by this
 * one still. While one that is being rekeyed is there, the peer has not said yet that it has the next; it is ended when it
 * has. IKE_SAs are ranked: what is of the first goes before what is of others.
 */
export function prefer(plan: Plan, peer: Peer, memory: Memory, ranked: readonly IkeSa[], timings: Timings): void {
  for (const sa of ranked)
    for (const child of sa.children.filter(isUp)) {
      if (memory.preferred.has(child.id) || upOn(ranked, child.name)?.id !== child.id) continue;
      if (sa.children.some(({ name, state }) => name === child.name && state === "REKEYED")) continue;
      if (!isInPlace(plan, peer, memory, child, timings)) continue;
      // Of one name the last that was preferred is the one, should another come to be the first again.
      for (const other of ranked.flatMap((each) => upOf(each, child.name))) memory.preferred.delete(other.id);
      memory.preferred.set(child.id, plan.now);
      plan.add({ do: "prefer", id: child.id, sa: outgoingOf(sa, child) });
    }
}

/**
 * Who began had the peer's answer; who answered knows that it came by what comes by the SA. Where another IKE_SA's child is
 * followed, and nothing has come by that since, the peer may have begun anew and have that one no more.
 */
function isInPlace(plan: Plan, { sas }: Peer, memory: Memory, child: ChildSa, timings: Timings): boolean {
  const since = memory.installed.get(child.id) ?? plan.now;
  if (!plan.isDue(since + installMs)) return false;
  if (othersOf(sas, child).length === 0 || isProven(memory, child)) return true;
  return hasFollowedSilence(plan, sas, memory, child) || hasWaited(plan, since, timings);
}

/** Whether the peer has its end for certain: it answered, or sent something. */
export function isProven({ made, heard }: Memory, { id }: ChildSa): boolean {
  return made.has(id) || heard.get(id)?.firstAt !== undefined;
}

/** Whether it is of another IKE_SA than what it follows, and nothing has come by that since. */
function hasFollowedSilence(plan: Plan, sas: readonly IkeSa[], memory: Memory, child: ChildSa): boolean {
  const own = sas.filter(({ children }) => children.some(({ id }) => id === child.id));
  if (othersOf(own, child).length > 0) return false;
  return isSilent(plan, memory, othersOf(sas, child), memory.heard.get(child.id)?.seenAt);
}

/** CHILD_SAs of the same child beside it. */
function othersOf(sas: readonly IkeSa[], { id, name }: ChildSa): ChildSa[] {
  return sas.filter(isLive).flatMap((sa) => upOf(sa, name).filter((each) => each.id !== id));
}

/** Whether the peer has had all its time, though nothing has come; until then it is looked for. */
function hasWaited(plan: Plan, since: number, { quietMs }: Timings): boolean {
  if (plan.isDue(since + quietMs)) return true;
  plan.lookAgain(since);
  return false;
}

/** Whether nothing has come by any of them since then, for long enough to tell. */
export function isSilent(plan: Plan, { heard }: Memory, children: readonly ChildSa[], since = plan.now): boolean {
  return plan.isDue(since + installMs) && children.every(({ id }) => (heard.get(id)?.lastAt ?? plan.now) <= since);
}

/** Of two that came at once each end may take another for the newer: only who settles takes anything away. */
export function leaveOlder(plan: Plan, memory: Memory, ranked: readonly IkeSa[]): void {
  for (const [at, sa] of ranked.entries())
    for (const child of sa.children.filter(isUp)) {
      const older = ranked.slice(at + 1).map((each) => ({ sa: each, children: upOf(each, child.name) }));
      if (!older.some(({ children }) => children.length > 0) || !isChosen(plan, memory, child)) continue;
      plan.add({ do: "leave", older: older.flatMap(({ sa, children }) => leaving(sa, children, memory)) });
    }
}

/** Whether all that leaves does so by this one. */
export function isChosen(plan: Plan, { preferred }: Memory, child: ChildSa): boolean {
  const since = preferred.get(child.id);
  return since !== undefined && plan.isDue(since + leaveMs);
}

/** Whether all leaves by this one, here and at the peer, so that what it follows can end. */
export function isMoved(
  plan: Plan,
  { sas }: Peer,
  memory: Memory,
  child: ChildSa | undefined,
  timings: Timings,
): boolean {
  const since = memory.preferred.get(child?.id ?? "");
  if (!child || since === undefined || !plan.isDue(since + retireMs)) return false;
  const firstAt = memory.heard.get(child.id)?.firstAt;
  if (firstAt !== undefined) return plan.isDue(firstAt + leaveMs);
  if (memory.made.has(child.id) && hasFollowedSilence(plan, sas, memory, child)) return true;
  return hasWaited(plan, since, timings);
}

function upOf({ children }: IkeSa, name: string): ChildSa[] {
  return children.filter((child) => isUp(child) && child.name === name);
}

/** Packets leave by what replaces them before they end, since the peer drops them before we hear that it did. */
export function leaving(sa: IkeSa, children: readonly ChildSa[], { left }: Memory): Outgoing[] {
  for (const { id } of children) left.add(id);
  return children.map((child) => outgoingOf(sa, child));
}
