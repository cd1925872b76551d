import { type Memory, type Peer, upOn } from "./peer.ts";
import type { ChildEnd, IkeEnd, Plan } from "./plan.ts";
import { leaving } from "./preference.ts";
import { type ChildSa, type IkeSa, isLive, isUp } from "./sa.ts";

/** What was to be ended and stands still is asked for again. */
const askAgainMs = 5_000;

/**
 * Its children first: a peer takes away what it sends by before it answers that a child is ended, but only after it has
 * answered that the IKE_SA is, and what it sends between the two would find nobody here.
 */
export function retire(plan: Plan, sa: IkeSa, memory: Memory, because: "replaced" | "duplicate"): void {
  if (sa.children.length === 0) endIke(plan, sa, memory, because);
  for (const child of sa.children.filter(isUp)) end(plan, sa, child, memory, because);
}

export function endIke(plan: Plan, { id }: IkeSa, memory: Memory, because: IkeEnd): void {
  const isAgain = memory.asked.has(`ike ${id}`);
  if (isToAsk(plan, memory, `ike ${id}`)) plan.add({ do: "end-ike", id, because, abrupt: false, isAgain });
}

export function end(plan: Plan, sa: IkeSa, child: ChildSa, memory: Memory, because: ChildEnd): void {
  const { id, name } = child;
  if (!isToAsk(plan, memory, `child ${id}`)) return;
  plan.add({ do: "end-child", id, because, child: name, leave: leaving(sa, [child], memory) });
}

/** Nothing leaves by them any more. Where what came after them is gone as well, charon makes no other while they stand. */
export function endLeft(plan: Plan, { sas }: Peer, memory: Memory, live: readonly IkeSa[]): void {
  for (const sa of sas.filter(isLive))
    for (const child of sa.children.filter(isUp))
      if (memory.left.has(child.id) && !upOn(live, child.name)) end(plan, sa, child, memory, "replaced");
}

/** charon does one thing at a time for an IKE_SA: what has not begun yet waits there, and looks as before. */
export function isToAsk(plan: Plan, { asked }: Memory, what: string): boolean {
  const at = asked.get(what);
  if (at !== undefined && !plan.isDue(at + askAgainMs)) return false;
  asked.set(what, plan.now);
  return true;
}
