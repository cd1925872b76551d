import { type Outgoing, outgoingOf } from "./outgoing.ts";
import { type Memory, upOn } from "./peer.ts";
import type { Plan } from "./plan.ts";
import { type ChildSa, type IkeSa, isUp } from "./sa.ts";

/** A CHILD_SA that is this old is in place at both ends, whoever began. */
const installMs = 1_000;
/** What was under way by another SA when one was preferred has left the host after this. */
const leaveMs = 100;

/**
 * The newest CHILD_SA of each name once both ends have it: until then packets leave by the one before, and later by this
 * one still. While one that is being rekeyed is there, the peer has not said yet that it has the next; it is ended when it
 * has. IKE_SAs are ranked: what is of the first goes before what is of others.
 */
export function prefer(plan: Plan, memory: Memory, ranked: readonly IkeSa[]): void {
  for (const sa of ranked)
    for (const child of sa.children.filter(isUp)) {
      if (memory.preferred.has(child.id) || upOn(ranked, child.name)?.id !== child.id) continue;
      if (sa.children.some(({ name, state }) => name === child.name && state === "REKEYED")) continue;
      if (!plan.isDue((memory.installed.get(child.id) ?? plan.now) + installMs)) continue;
      // Of one name the last that was preferred is the one, should another come to be the first again.
      for (const other of ranked.flatMap((each) => childrenOf(each, child.name))) memory.preferred.delete(other.id);
      memory.preferred.set(child.id, plan.now);
      plan.add({ do: "prefer", id: child.id, sa: outgoingOf(sa, child) });
    }
}

/** Of two that came at once each end may take another for the newer: only who settles takes anything away. */
export function leaveOlder(plan: Plan, memory: Memory, ranked: readonly IkeSa[]): void {
  for (const [at, sa] of ranked.entries())
    for (const child of sa.children.filter(isUp)) {
      const older = ranked.slice(at + 1).map((each) => ({ sa: each, children: childrenOf(each, child.name) }));
      if (!older.some(({ children }) => children.length > 0) || !isChosen(plan, memory, child)) continue;
      plan.add({ do: "leave", older: older.flatMap(({ sa, children }) => leaving(sa, children, memory)) });
    }
}

/** Whether all that leaves does so by this one, for so long. */
export function isChosen(plan: Plan, { preferred }: Memory, child: ChildSa | undefined, ms = leaveMs): boolean {
  const since = preferred.get(child?.id ?? "");
  return since !== undefined && plan.isDue(since + ms);
}

function childrenOf({ children }: IkeSa, name: string): ChildSa[] {
  return children.filter((child) => isUp(child) && child.name === name);
}

/** Packets leave by what replaces them before they end, since the peer drops them before we hear that it did. */
export function leaving(sa: IkeSa, children: readonly ChildSa[], { left }: Memory): Outgoing[] {
  for (const { id } of children) left.add(id);
  return children.map((child) => outgoingOf(sa, child));
}
