import { type Outgoing, outgoingOf } from "./outgoing.ts";
import { isConnecting, isUnderway, liveOf, type Memory, type Peer, strayMs, targetOf, upOn } from "./peer.ts";
import { type IkeSa, isUp } from "./sa.ts";
import type { Timings } from "./timings.ts";

/** One thing to tell charon, or the kernel. */
export type Step =
  | { do: "initiate"; child: string }
  /** `abrupt`: without waiting for the peer's word, since there is no peer yet, or not any more at that address. */
  | { do: "end-ike"; id: string; because: IkeEnd; abrupt: boolean; leave?: Outgoing[] }
  | { do: "end-child"; id: string; because: "unwanted" | "replaced" | "duplicate" | "lost"; child: string }
  /**
   * Packets are to leave by this CHILD_SA, whatever is made beside it, and not by those of older IKE_SAs: the kernel
   * keeps what it has once chosen for a flow as long as that is there.
   */
  | { do: "prefer"; id: string; sa: Outgoing; leave: Outgoing[] }
  | { do: "rekey"; id: string; child: string };

type IkeEnd =
  | "unwanted"
  | "late"
  | "duplicate"
  | "replaced"
  /** It may not stay, and nothing came to replace it. */
  | "revoked";

export interface Decision {
  steps: Step[];
  /** When to look again, if nothing happens before. */
  again?: number;
}

/** A child that the kernel lost is rekeyed; where that has led nowhere after this, it is ended. */
const rekeyMs = 3_000;
/** A CHILD_SA that is this old is in place at both ends, whoever began. */
const installMs = 1_000;
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
  prefer(plan, peer, memory, live);
  replaceStale(plan, peer, memory, timings);
  settle(plan, peer, memory, timings);
  mendLost(plan, peer, memory);
  begin(plan, peer, memory, live, timings);
  return plan.decision();
}

class Plan {
  readonly now: number;
  readonly #steps: Step[] = [];
  #again: number | undefined;

  constructor(now: number) {
    this.now = now;
  }

  add(step: Step): void {
    this.#steps.push(step);
  }

  /** Whether the time has come; if not, there is another look then. */
  isDue(at: number): boolean {
    if (at <= this.now) return true;
    this.#again = Math.min(this.#again ?? at, at);
    return false;
  }

  decision(): Decision {
    return { steps: this.#steps, ...(this.#again !== undefined && { again: this.#again }) };
  }
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
 * Each CHILD_SA once both ends have it: until then packets leave by the one before, and later by this one still. While
 * one that is being rekeyed is there, the peer has not said yet that it has the next; it is ended when it has.
 */
function prefer(plan: Plan, { isLower }: Peer, memory: Memory, live: readonly IkeSa[]): void {
  for (const [at, sa] of live.entries())
    for (const child of sa.children.filter(isUp)) {
      const isAwaited = sa.children.some(({ name, state }) => name === child.name && state === "REKEYED");
      if (isAwaited || memory.preferred.has(child.id) || memory.left.has(child.id)) continue;
      if (!plan.isDue((memory.installed.get(child.id) ?? plan.now) + installMs)) continue;
      memory.preferred.add(child.id);
      // Of two that came at once each end may take another for the newer: only who settles takes anything away.
      const older = isLower ? live.slice(at + 1) : [];
      const leave = older.flatMap((each) => leaving(each, memory, child.name));
      plan.add({ do: "prefer", id: child.id, sa: outgoingOf(sa, child), leave });
    }
}

/**
 * Stale IKE_SAs go once everything is in place beside them: make before break. One that may not stay, since it was made by
 * a key that is the peer's no more, is not let stay because nothing follows.
 */
function replaceStale(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const live = liveOf(peer, memory);
  const stale = live.filter(({ id }) => memory.stale.has(id));
  if (stale.length === 0) return;
  const fresh = live.filter(({ id }) => !memory.stale.has(id));
  if (peer.wanted.every((child) => memory.preferred.has(upOn(fresh, child)?.id ?? "")))
    for (const sa of stale)
      plan.add({ do: "end-ike", id: sa.id, because: "replaced", abrupt: false, leave: leaving(sa, memory) });
  else if (memory.revokeSince !== undefined && plan.isDue(memory.revokeSince + timings.revokeMs))
    for (const { id } of stale) plan.add({ do: "end-ike", id, because: "revoked", abrupt: true });
}

/** Packets leave by what replaces them before they end, since the peer drops them before we hear that it did. */
function leaving(sa: IkeSa, { left }: Memory, name?: string): Outgoing[] {
  const children = sa.children.filter((child) => isUp(child) && (name === undefined || child.name === name));
  for (const { id } of children) left.add(id);
  return children.map((child) => outgoingOf(sa, child));
}

/** Of two that stand for one thing the newest stays. */
function settle(plan: Plan, peer: Peer, memory: Memory, timings: Timings): void {
  const patience = timings.duplicateMs * (peer.isLower ? 1 : higherPatience);
  const [newest, ...older] = liveOf(peer, memory).filter(({ id }) => !memory.stale.has(id));
  if (isDouble(plan, memory, "", older.length > 0, patience))
    for (const { id } of older) plan.add({ do: "end-ike", id, because: "duplicate", abrupt: false });
  for (const name of peer.wanted) {
    const standing = (newest?.children ?? []).filter((child) => child.name === name && child.state === "INSTALLED");
    if (!isDouble(plan, memory, name, standing.length > 1, patience)) continue;
    const extra = standing.toSorted((a, b) => Number(b.id) - Number(a.id)).slice(1);
    for (const { id } of extra) plan.add({ do: "end-child", id, because: "duplicate", child: name });
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
  // What only moves to a new IKE_SA that is there already has nobody to wait for.
  const isMove = upOn(live, child) !== undefined && target.length > 0;
  if (peer.isLower || isMove) return patient;
  const since = memory.downSince.get(child) ?? memory.renewSince ?? 0;
  return Math.max(patient, since + timings.graceMs);
}
