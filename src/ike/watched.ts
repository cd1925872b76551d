import { isDeepStrictEqual } from "node:util";
import type { Loaded } from "./loaded.ts";
import { hostOf } from "./outgoing.ts";
import { type Memory, newMemory, strayMs } from "./peer.ts";
import { isRevoked, mustRenew } from "./renewal.ts";
import { type ChildSa, childrenOf, type IkeSa } from "./sa.ts";
import type { Lost } from "./tunnels.ts";
import type { Event } from "./vici/commands.ts";
import { type Message, section, text } from "./vici/message.ts";
import { isDecisive, whyOf } from "./why.ts";

/** A peer's connection under supervision. */
export interface Watched {
  readonly conn: string;
  readonly memory: Memory;
  /** As last seen. */
  sas: readonly IkeSa[];
  /** charon's last words on it. */
  lines: { at: number; line: string }[];
  /** When to look again if nothing happens before. */
  again: number | undefined;
}

const keptLines = 30;
/** What went before this has not to do with what happens now. */
const freshMs = 10_000;

export function newWatched(conn: string): Watched {
  return { conn, memory: newMemory(), sas: [], lines: [], again: undefined };
}

/** Takes note of what only an event tells: in which order SAs came, and which follow which. */
export function hearEvent({ memory }: Watched, event: Event, isUp: boolean, sa: Message, now: number): void {
  const id = text(sa, "uniqueid");
  if (event === "ike-updown" && isUp && id !== undefined) memory.established.set(id, now);
  if (event !== "ike-rekey") return;
  const [old, successor] = ["old", "new"].map((each) => text(section(sa, each), "uniqueid"));
  if (successor === undefined) return;
  memory.established.set(successor, now);
  if (old !== undefined && memory.stale.has(old)) memory.stale.add(successor);
}

/** Answers whether the line asks for a look. */
export function hearLine(watched: Watched, line: string, now: number): boolean {
  watched.lines.push({ at: now, line });
  if (watched.lines.length > keptLines) watched.lines.shift();
  return isDecisive(line);
}

/** charon's words on what goes wrong now. */
export function whyNow({ lines, memory }: Watched, now: number): string | undefined {
  const since = memory.attempt?.at ?? now - freshMs;
  return whyOf(lines.filter(({ at }) => at >= since).map(({ line }) => line));
}

/** charon was told something else, at `at`. What it has made before stays as it was made. */
export function noteChange(
  watched: Watched,
  was: Loaded | undefined,
  now: Loaded | undefined,
  by: "us" | "others",
  at: number,
): void {
  const { memory, sas } = watched;
  // Another wish is another reason to try: how it went before says nothing.
  memory.failing.clear();
  if (by === "us") {
    for (const name of now?.children.keys() ?? []) if (!was?.children.has(name)) memory.downSince.set(name, at);
    for (const name of was?.children.keys() ?? [])
      if (!now?.children.has(name)) {
        memory.strays.set(name, at - strayMs);
        // Wished again before anybody looks, it would be taken for one with new keys.
        memory.up.delete(name);
      }
    if (!now) memory.strays.set("", at - strayMs);
  }
  if (now && (was || by === "us") && was?.toldAt !== now.toldAt)
    for (const id of [...memory.established.keys(), ...sas.map((sa) => sa.id)])
      if ((memory.established.get(id) ?? 0) < at) memory.stale.add(id);
  if (!was || !now) return;
  // The same as another one: so that all moves.
  if (isDeepStrictEqual(was.connection, now.connection) && was.toldAt !== now.toldAt && by === "us")
    memory.renewSince ??= at;
  if (!isDeepStrictEqual(was.connection, now.connection)) {
    if (mustRenew(was.connection, now.connection)) memory.renewSince ??= at;
    if (isRevoked(was.connection, now.connection)) memory.revokeSince = at;
  }
  for (const [name, child] of was.children) {
    const successor = now.children.get(name);
    if (!successor || isDeepStrictEqual(child, successor)) continue;
    for (const each of childrenOf(sas)) if (each.name === name) memory.outdated.add(each.id);
  }
}

/** Names of children whose SAs the kernel no longer has though charon takes them for standing. */
export function noteLost({ memory }: Watched, sas: readonly IkeSa[], news: Lost, now: number): string[] {
  const names: string[] = [];
  for (const sa of sas)
    for (const child of sa.children) {
      const isNoNews = memory.lost.has(child.id) || memory.left.has(child.id);
      if (child.state !== "INSTALLED" || isNoNews || !isLost(news, sa, child, now)) continue;
      memory.lost.set(child.id, undefined);
      names.push(child.name);
    }
  return names;
}

/** charon tells ages in whole seconds. */
const roundingS = 2;

function isLost(news: Lost, { local, remote }: IkeSa, child: ChildSa, now: number): boolean {
  const inbound = `${hostOf(local)} ${Number.parseInt(child.spiIn, 16)}`;
  const outbound = `${hostOf(remote)} ${Number.parseInt(child.spiOut, 16)}`;
  switch (news.type) {
    case "flushed":
      return true;
    case "deleted":
      return [inbound, outbound].includes(`${news.dst} ${news.spi}`);
    case "standing": {
      // One that was made since is no part of it.
      const isOlder = child.installedS > (now - news.at) / 1000 + roundingS;
      return isOlder && !(news.sas.has(inbound) && news.sas.has(outbound));
    }
  }
}

/** charon is another one: it has none of the SAs that were, and counts from 1 again. Answers which children were up. */
export function forgetSas({ memory }: Watched, now: number): string[] {
  const were = [...memory.up.keys()];
  for (const child of were) memory.downSince.set(child, now);
  for (const each of [memory.established, memory.up, memory.stale, memory.lost, memory.outdated]) each.clear();
  for (const each of [memory.installed, memory.preferred, memory.left, memory.asked]) each.clear();
  for (const each of [memory.made, memory.heard, memory.renewed]) each.clear();
  for (const each of [memory.doubleSince, memory.strays]) each.clear();
  memory.renewSince = memory.revokeSince = undefined;
  memory.attempt = undefined;
  return were;
}
