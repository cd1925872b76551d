import { isConnecting, isUnderway, liveOf, type Memory, type Peer, strayMs, targetOf, upOn } from "./peer.ts";
import { type ChildEnd, type Decision, type IkeEnd, Plan, type Step } from "./plan.ts";
import { isChosen, leaveOlder, leaving, prefer } from "./preference.ts";
import { type ChildSa, type IkeSa, isLive, isUp } from "./sa.ts";
import type { Timings } from "./timings.ts";

/** A child that the kernel lost is rekeyed; where that has led nowhere after this, it is ended. */
const rekeyMs = 3_000;
/** Less than the time after which the lower name settles: until then all is to have moved. */
const moveMs = 500;
/** When packets have left by what follows for this long, the peer's do as well: its agent goes by a clock of its own. */
const retireMs = 1_000;
/** What was to be ended and stands still is asked for again. */
const askAgainMs = 5_000;
/** The higher name settles only what the lower has left standing for this many times as long. */
const higherPatience = 10;

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
  prefer(plan, memory, ranked);
  if (peer.isLower) leaveOlder(plan, memory, ranked);
  replaceStale(plan, peer, memory, timings);
  settle(plan, peer, memory, timings);
  mendLost(plan, peer, memory);
  begin(plan, peer, memory, live, timings);
  return plan.decision();
}

function unwanted(sa: IkeSa): Step {
  return { do: "end-ike", id: sa.id, because: "unwanted", abrupt: isConnecting(sa) };
}

function endUnwanted(plan: Plan, { wanted }: Peer, memory: Memory, live: readonly IkeSa[]): void {
  for (const { id, name } of live.flatMap(({ children }) => children).filter(isUp)) {
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

/**
 * Stale IKE_SAs go once everything is in place beside them: make before break. One that may not stay, since it was made by
 * a key that is the peer's no more, is not let stay because nothing follows, nor because the peer is slow to let it go.
 */
function replaceStale(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const stale = peer.sas.filter((sa) => isLive(sa) && memory.stale.has(sa.id));
  if (stale.length === 0) return;
  const fresh = liveOf(peer, memory).filter(({ id }) => !memory.stale.has(id));
  if (memory.revokeSince !== undefined && plan.isDue(memory.revokeSince + timings.revokeMs))
    for (const { id } of stale) plan.add({ do: "end-ike", id, because: "revoked", abrupt: true });
  else if (peer.wanted.every((name) => isChosen(plan, memory, upOn(fresh, name), retireMs)))
    for (const sa of stale) retire(plan, sa, memory);
}

/**
 * Its children first: a peer takes away what it sends by before it answers that a child is ended, but only after it has
 * answered that the IKE_SA is, and what it sends between the two would find nobody here.
 */
function retire(plan: Plan, sa: IkeSa, memory: Memory): void {
  if (sa.children.length === 0) endIke(plan, sa, memory, "replaced");
  for (const child of sa.children.filter(isUp)) end(plan, sa, child, memory, "replaced");
}

function endIke(plan: Plan, { id }: IkeSa, memory: Memory, because: IkeEnd): void {
  if (isToAsk(plan, memory, `ike ${id}`)) plan.add({ do: "end-ike", id, because, abrupt: false });
}

function end(plan: Plan, sa: IkeSa, child: ChildSa, memory: Memory, because: ChildEnd): void {
  const { id, name } = child;
  if (!isToAsk(plan, memory, `child ${id}`)) return;
  plan.add({ do: "end-child", id, because, child: name, leave: leaving(sa, [child], memory) });
}

/** charon does one thing at a time for an IKE_SA: what has not begun yet waits there, and looks as before. */
function isToAsk(plan: Plan, { asked }: Memory, what: string): boolean {
  const at = asked.get(what);
  if (at !== undefined && !plan.isDue(at + askAgainMs)) return false;
  asked.set(what, plan.now);
  return true;
}

/** Of two that stand for one thing the newest stays. */
function settle(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const patience = timings.duplicateMs * (peer.isLower ? 1 : higherPatience);
  const [newest, ...older] = liveOf(peer, memory).filter(({ id }) => !memory.stale.has(id));
  const isInUse = () => (newest?.children ?? []).filter(isUp).every((child) => isChosen(plan, memory, child));
  if (isDouble(plan, memory, "", older.length > 0, patience) && isInUse())
    for (const sa of older) endIke(plan, sa, memory, "duplicate");
  const children = peer.sas.find(({ id }) => id === newest?.id)?.children ?? [];
  for (const name of peer.wanted) {
    const standing = children.filter((child) => child.name === name && child.state === "INSTALLED");
    const [first, ...extra] = standing.toSorted((a, b) => Number(b.id) - Number(a.id));
    if (!newest || !isDouble(plan, memory, name, extra.length > 0, patience)) continue;
    if (isChosen(plan, memory, first, retireMs))
      for (const child of extra) end(plan, newest, child, memory, "duplicate");
  }
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

/** One child, if its time has come: the one that has failed least. */
function begin(plan: Plan, peer: Peer, memory: Memory, live: readonly IkeSa[], timings: Timings): void {
  if (memory.attempt !== undefined || isUnderway(peer)) {
    if (memory.attempt?.at !== undefined) plan.isDue(memory.attempt.at + timings.attemptMs);
    return;
  }
  const target = targetOf(peer, memory);
  const missing = peer.wanted.filter((child) => !upOn(target, child));
  const due = missing.filter((child) => plan.isDue(beginAt(peer, memory, child, live, target, timings)));
  const failures = (child: string) => memory.failing.get(child)?.attempt ?? 0;
  const [child] = due.toSorted((a, b) => failures(a) - failures(b));
  if (child !== undefined) plan.add({ do: "initiate", child });
}

function beginAt(
  peer: Peer,
  memory: Memory,
  child: string,
  live: readonly IkeSa[],
  target: readonly IkeSa[],
  timings: Timings,
): number {
  const patient = Math.max(memory.failing.get("")?.nextAt ?? 0, memory.failing.get(child)?.nextAt ?? 0);
  if (peer.isLower) return patient;
  // What only moves to a new IKE_SA that is there already waits for a moment: if the lower name has not done it by then, it
  // knows of no reason to.
  const [fresh] = target;
  if (fresh && upOn(live, child)) return Math.max(patient, (memory.established.get(fresh.id) ?? 0) + moveMs);
  const since = memory.downSince.get(child) ?? memory.renewSince ?? 0;
  return Math.max(patient, since + timings.graceMs);
}
