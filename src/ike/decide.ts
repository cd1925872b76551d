import { endLeft } from "./ending.ts";
import { isConnecting, isUnderway, liveOf, type Memory, type Peer, strayMs, targetOf, upOn } from "./peer.ts";
import { type Decision, Plan, type Step } from "./plan.ts";
import { leaveOlder, prefer } from "./preference.ts";
import { renew } from "./rekeying.ts";
import { childrenOf, type IkeSa, isUp } from "./sa.ts";
import { replaceStale, settle } from "./settle.ts";
import type { Timings } from "./timings.ts";

/** A child that the kernel lost is rekeyed; where that has led nowhere after this, it is ended. */
const rekeyMs = 3_000;
/**
 * charon tells ages in whole seconds: what comes after a key was taken is made so much later that an agent that starts can
 * tell it from what was before.
 */
const apartMs = 2_500;
/** Less than the time after which the lower name settles: until then all is to have moved. */
const moveMs = 500;

/**
 * What is to be done so that each wanted child is up once. Of what is there now only: whatever way led there, the same is
 * done. One child of a peer is begun at a time, so that none is begun twice.
 */
export function decide(peer: Peer, memory: Memory, now: number, timings: Timings): Decision {
  const live = liveOf(peer, memory);
  const plan = new Plan(now);
  if (peer.wanted.length === 0) {
    if (isStray(plan, memory, "")) for (const sa of live.concat(peer.sas.filter(isConnecting))) plan.add(unwanted(sa));
    return plan.decision();
  }
  endUnwanted(plan, peer, memory, live);
  const late = peer.sas.filter(isConnecting).filter(() => memory.attempt === undefined);
  for (const { id } of late) plan.add({ do: "end-ike", id, because: "late", abrupt: true });
  // A stale one that was rekeyed is younger than what is to follow it, and comes after it all the same.
  const ranked = live.toSorted((a, b) => Number(memory.stale.has(a.id)) - Number(memory.stale.has(b.id)));
  prefer(plan, peer, memory, ranked, timings);
  if (peer.isLower) leaveOlder(plan, memory, ranked);
  replaceStale(plan, peer, memory, timings);
  settle(plan, peer, memory, timings);
  endLeft(plan, peer, memory, live);
  mendLost(plan, peer, memory);
  if (!begin(plan, peer, memory, live, timings)) renew(plan, peer, memory, live, timings);
  return plan.decision();
}

function unwanted(sa: IkeSa): Step {
  return { do: "end-ike", id: sa.id, because: "unwanted", abrupt: isConnecting(sa) };
}

function endUnwanted(plan: Plan, { wanted }: Peer, memory: Memory, live: readonly IkeSa[]): void {
  for (const { id, name } of childrenOf(live).filter(isUp)) {
    if (!wanted.includes(name)) {
      if (isStray(plan, memory, name)) plan.add({ do: "end-child", id, because: "unwanted", child: name });
    } else if (memory.outdated.has(id)) {
      plan.add({ do: "end-child", id, because: "replaced", child: name });
    }
  }
}

function isStray(plan: Plan, { strays }: Memory, name: string): boolean {
  const since = strays.get(name) ?? plan.now;
  strays.set(name, since);
  return plan.isDue(since + strayMs);
}

function mendLost(plan: Plan, peer: Peer, memory: Memory): void {
  for (const sa of liveOf(peer, memory))
    for (const child of sa.children) {
      if (!memory.lost.has(child.id)) continue;
      if (child.state === "INSTALLED" && memory.lost.get(child.id) === undefined) {
        memory.lost.set(child.id, plan.now);
        plan.add({ do: "rekey", id: child.id, child: child.name });
      }
      const askedAt = memory.lost.get(child.id);
      if (isUp(child) && askedAt !== undefined && plan.isDue(askedAt + rekeyMs))
        plan.add({ do: "end-child", id: child.id, because: "lost", child: child.name });
    }
}

/** One child, if its time has come: the one that has failed least. Answers whether something is under way. */
function begin(plan: Plan, peer: Peer, memory: Memory, live: readonly IkeSa[], timings: Timings): boolean {
  // What stands can wait: what was to follow it, and has not begun, gives way to what is missing.
  const isWaiting = memory.attempt?.instead !== undefined && memory.attempt.at === undefined;
  if ((memory.attempt !== undefined && !isWaiting) || isUnderway(peer)) {
    if (memory.attempt?.at !== undefined) plan.isDue(memory.attempt.at + timings.attemptMs);
    return true;
  }
  const target = targetOf(peer, memory);
  const missing = peer.wanted.filter((child) => !upOn(target, child));
  const due = missing.filter((child) => plan.isDue(beginAt(peer, memory, child, live, target, timings)));
  const failures = (child: string) => memory.failing.get(child)?.attempt ?? 0;
  const [child] = due.toSorted((a, b) => failures(a) - failures(b));
  if (child !== undefined) plan.add({ do: "initiate", child });
  return child !== undefined || isWaiting;
}

function beginAt(
  peer: Peer,
  memory: Memory,
  child: string,
  live: readonly IkeSa[],
  target: readonly IkeSa[],
  timings: Timings,
): number {
  const failing = Math.max(memory.failing.get("")?.nextAt ?? 0, memory.failing.get(child)?.nextAt ?? 0);
  const isUpYet = upOn(live, child) !== undefined;
  const patient = Math.max(failing, isUpYet && memory.revokeSince !== undefined ? memory.revokeSince + apartMs : 0);
  if (peer.isLower) return patient;
  // What only moves to a new IKE_SA that is there already waits for a moment after what has moved: if the lower name has not
  // gone on by then, it knows of no reason to.
  const [fresh] = target;
  if (fresh && isUpYet) {
    const moves = fresh.children.map(({ id }) => memory.installed.get(id) ?? 0);
    return Math.max(patient, Math.max(memory.established.get(fresh.id) ?? 0, ...moves) + moveMs);
  }
  const since = memory.downSince.get(child) ?? memory.renewSince ?? 0;
  return Math.max(patient, since + timings.graceMs);
}
