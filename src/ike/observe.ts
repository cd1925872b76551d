import { type Heard, isUnderway, liveOf, type Memory, type Peer, targetOf, upOn } from "./peer.ts";
import { type ChildSa, childrenOf } from "./sa.ts";
import type { Timings } from "./timings.ts";
import type { TunnelEvent } from "./tunnel-event.ts";
import { peerOf } from "./tunnel-key.ts";

export interface Moment {
  now: number;
  /** When charon was asked what it has. */
  asOf: number;
  /** For jitter: 0 <= x < 1. */
  random: number;
  /** charon's words on what went wrong last. */
  why: string | undefined;
}

/** charon counts the seconds that have begun: what it calls one second old may be a moment old. */
const begunS = 1;

/** Takes note of what is there now, and answers what of it is news. */
export function observe(peer: Peer, memory: Memory, moment: Moment, timings: Timings): TunnelEvent[] {
  const live = liveOf(peer, memory);
  for (const { id, establishedS } of live) {
    if (memory.established.has(id)) continue;
    memory.established.set(id, moment.now - establishedS * 1000);
    // Made before this agent was, and before the connection was told as it is. One that was rekeyed while there was no agent
    // looks young: charon does not tell when it was proved.
    if ((establishedS - begunS) * 1000 > (peer.toldMs ?? Number.POSITIVE_INFINITY)) memory.stale.add(id);
    // The same of a key that was taken; in doubt, too.
    if ((establishedS + 1) * 1000 <= (peer.revokedMs ?? Number.POSITIVE_INFINITY)) continue;
    memory.stale.add(id);
    memory.renewSince ??= moment.now;
    memory.revokeSince ??= moment.now;
  }
  for (const { id, installedS, packetsIn } of childrenOf(peer.sas)) {
    if (!memory.installed.has(id)) memory.installed.set(id, moment.now - Math.max(0, installedS - begunS) * 1000);
    memory.heard.set(id, hear(memory.heard.get(id), packetsIn, moment.now));
  }
  forgetGone(peer, memory);
  const changes = peer.wanted.flatMap((child) => change(peer, memory, child, moment));
  return [...changes, ...outcome(peer, memory, moment, timings)];
}

function hear(before: Heard | undefined, packets: number, now: number): Heard {
  const { seenAt = now, firstAt = packets > 0 ? now : undefined } = before ?? {};
  const lastAt = before?.packets === packets ? before.lastAt : now;
  return { packets, seenAt, lastAt, ...(firstAt !== undefined && { firstAt }) };
}

function change(peer: Peer, memory: Memory, child: string, { now, why }: Moment): TunnelEvent[] {
  const sa = upOn(liveOf(peer, memory), child);
  const before = memory.up.get(child);
  const name = peerOf(peer.conn);
  if (!sa) {
    if (!memory.downSince.has(child)) memory.downSince.set(child, now);
    memory.up.delete(child);
    return before === undefined
      ? []
      : [{ type: "tunnel-down", peer: name, child, why: why ?? "charon does not say why" }];
  }
  const since = memory.downSince.get(child);
  memory.up.set(child, sa.id);
  memory.downSince.delete(child);
  const target = targetOf(peer, memory);
  if (upOn(target, child)) {
    memory.failing.delete(child);
    memory.failing.delete("");
  }
  const { cipher } = sa;
  if (before === undefined) {
    // Up before this agent was: no news.
    if (since === undefined) return [];
    return [{ type: "tunnel-up", peer: name, child, cipher, ms: Math.round(now - since) }];
  }
  if (before === sa.id) return [];
  return [{ type: "tunnel-rekeyed", peer: name, child, cipher }];
}

/** Whether what was begun went well, or leads nowhere. */
function outcome(peer: Peer, memory: Memory, moment: Moment, timings: Timings): TunnelEvent[] {
  const { attempt } = memory;
  const { now } = moment;
  if (!attempt) {
    // Begun before this agent was: it has its time as well.
    if (isUnderway(peer)) memory.attempt = { child: "", at: now, answeredAt: now };
    return [];
  }
  if (attempt.at === undefined || (attempt.answeredAt ?? Number.POSITIVE_INFINITY) > moment.asOf) return [];
  const target = targetOf(peer, memory);
  const sa = upOn(target, attempt.child);
  const isDone = attempt.child === "" ? !isUnderway(peer) : sa !== undefined && sa.id !== attempt.instead;
  // charon tries again by itself where the peer was busy with the IKE_SA; what stands can wait for that.
  const isLate = attempt.instead === undefined && now - attempt.at >= timings.attemptMs;
  if (!isLate && isUnderway(peer)) return [];
  memory.attempt = undefined;
  if (isDone && sa) noteDone(peer, memory, sa, attempt);
  if (isDone || !peer.wanted.includes(attempt.child)) return [];
  // With an IKE_SA it is this child alone that is refused.
  const what = target.length > 0 ? attempt.child : "";
  const before = memory.failing.get(what);
  const why = moment.why ?? (isLate ? `no answer within ${timings.attemptMs} ms` : "charon does not say why");
  // What stands goes on, and charon makes new keys of its own accord.
  if (attempt.instead !== undefined) {
    memory.wishes.delete(attempt.child);
    return [{ type: "tunnel-rekey-failed", peer: peerOf(peer.conn), child: attempt.child, why }];
  }
  const count = (before?.attempt ?? 0) + 1;
  const nextMs = backoff(count, timings, moment.random);
  memory.failing.set(what, { attempt: count, why, nextAt: now + nextMs });
  if (before?.why === why && !Number.isInteger(Math.log2(count))) return [];
  const event = { type: "tunnel-retrying", peer: peerOf(peer.conn), child: attempt.child, attempt: count } as const;
  return [{ ...event, nextMs: Math.round(nextMs), why }];
}

function noteDone(peer: Peer, memory: Memory, sa: ChildSa, { at = 0, known }: NonNullable<Memory["attempt"]>): void {
  const siblings = childrenOf(peer.sas).filter(({ name }) => name === sa.name);
  // Of two that have come one is the peer's.
  if (known && siblings.every(({ id }) => id === sa.id || known.has(id))) memory.made.add(sa.id);
  // That charon made it on this IKE_SA says that to it that is of the connection as it is; and that it made another IKE_SA,
  // though it had one, that the one is not.
  const live = Map.groupBy(liveOf(peer, memory), ({ children }) => children.some(({ id }) => id === sa.id));
  const carrying = live.get(true) ?? [];
  if (memory.made.has(sa.id)) for (const { id } of carrying) memory.stale.delete(id);
  // Where there were several before it may have taken any.
  if (carrying.some(({ id }) => (memory.established.get(id) ?? at) < at)) return;
  for (const { id } of live.get(false) ?? []) {
    if (memory.stale.has(id) || (memory.established.get(id) ?? at) >= at) continue;
    memory.stale.add(id);
    memory.renewSince ??= at;
  }
}

/** Doubling, each cut by up to a quarter so that peers do not come back in step. */
function backoff(attempt: number, { backoffMs: { first, most } }: Timings, random: number): number {
  return Math.min(most, first * 2 ** Math.min(attempt - 1, 20)) * (1 - random / 4);
}

/** What is remembered of SAs and children that are no more. */
function forgetGone({ sas, wanted }: Peer, memory: Memory): void {
  const ids = new Set(sas.map(({ id }) => id));
  const children = new Set(childrenOf(sas).map(({ id }) => id));
  for (const id of memory.established.keys()) if (!ids.has(id)) memory.established.delete(id);
  for (const id of memory.stale) if (!ids.has(id)) memory.stale.delete(id);
  if (wanted.length > 0) memory.strays.delete("");
  for (const child of wanted) memory.strays.delete(child);
  if (memory.stale.size === 0) memory.renewSince = memory.revokeSince = undefined;
  for (const id of memory.lost.keys()) if (!children.has(id)) memory.lost.delete(id);
  for (const known of [memory.made, memory.outdated, memory.left])
    for (const id of known) if (!children.has(id)) known.delete(id);
  for (const known of [memory.installed, memory.heard, memory.preferred, memory.renewed])
    for (const id of known.keys()) if (!children.has(id)) known.delete(id);
  for (const what of memory.asked.keys()) {
    const [kind, id = ""] = what.split(" ");
    if (!(kind === "ike" ? ids : children).has(id)) memory.asked.delete(what);
  }
  for (const map of [memory.up, memory.downSince, memory.failing, memory.wishes])
    for (const child of map.keys()) if (child !== "" && !wanted.includes(child)) map.delete(child);
}
