import type { Loaded } from "./loaded.ts";
import { isUnderway, liveOf, type Peer, upOn } from "./peer.ts";
import { renewedInS } from "./rekeying.ts";
import type { IkeSa } from "./sa.ts";
import type { Timings } from "./timings.ts";
import { peerOf } from "./tunnel-key.ts";
import type { TunnelPlace, TunnelState } from "./tunnel-state.ts";
import type { Watched } from "./watched.ts";

/** One connection's children as they stand; `undefined` for SAs that nobody can tell of now. */
export function describeConnection(
  conn: string,
  { children }: Loaded,
  watched: Watched,
  sas: readonly IkeSa[],
  context: { host: string; now: number; timings: Timings },
): TunnelState[] {
  const peer: Peer = { conn, isLower: context.host < peerOf(conn), wanted: [...children.keys()], sas };
  const live = liveOf(peer, watched.memory);
  return [...children].map(([child, { label }]) => {
    const place: TunnelPlace = { peer: peerOf(conn), child, label };
    return up(place, live, context.timings) ?? pending(place, peer, watched, context);
  });
}

function up(place: TunnelPlace, live: readonly IkeSa[], timings: Timings): TunnelState | undefined {
  const child = upOn(live, place.child);
  const sa = live.find(({ children }) => child && children.includes(child));
  if (!child || !sa) return undefined;
  const { mode, cipher, encap, spiIn, spiOut, bytesIn, bytesOut, packetsIn, packetsOut, installedS, rekeyInS } = child;
  return {
    ...place,
    state: "up",
    mode,
    cipher,
    ike: sa.cipher,
    encap,
    local: sa.local,
    remote: sa.remote,
    initiator: sa.initiator,
    since: installedS,
    ...(rekeyInS !== undefined && { rekeyIn: Math.max(0, renewedInS(rekeyInS, timings)) }),
    ikeSince: sa.establishedS,
    ...(sa.rekeyInS !== undefined && { ikeRekeyIn: sa.rekeyInS }),
    spiIn,
    spiOut,
    bytesIn,
    bytesOut,
    packetsIn,
    packetsOut,
  };
}

function pending(
  place: TunnelPlace,
  peer: Peer,
  { memory, again }: Watched,
  { now, timings }: { now: number; timings: Timings },
): TunnelState {
  const failing = memory.failing.get(place.child) ?? memory.failing.get("");
  const attempt = failing?.attempt ?? 0;
  if (isUnderway(peer) && (memory.attempt?.child ?? "") === place.child)
    return { ...place, state: "connecting", attempt: attempt + 1, ...(failing && { why: failing.why }) };
  const next = failing?.nextAt ?? again;
  const nextMs = next === undefined ? {} : { nextMs: Math.max(0, Math.round(next - now)) };
  const waiting = peer.isLower ? "not begun yet" : `${place.peer} begins; this host does after ${timings.graceMs} ms`;
  return { ...place, state: "down", why: failing?.why ?? waiting, attempt, ...nextMs };
}
