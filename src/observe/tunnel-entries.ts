import type { TunnelState, TunnelUp } from "../ike/tunnel-state.ts";
import { isEncrypted, type Network } from "../model/network.ts";
import type { World } from "../model/world.ts";
import type { TunnelEntry, TunnelUpEntry } from "./answers.ts";
import type { NetworkState } from "./view.ts";

/** How many of a network's peers can be reached through ESP, of how many there are, and why the first cannot. */
export interface TunnelCount {
  wanted: number;
  up: number;
  why?: string;
}

export interface TunnelsSeen {
  host: string;
  world: World;
  /** What charon was told of, by whatever name. */
  states: readonly TunnelState[];
  /** Says why a peer was left out. */
  skipped: NetworkState["skipped"];
  /** Milliseconds of the Unix epoch. */
  now: number;
}

/**
 * The tunnels of one network, by peer: one for every other member, also where charon was not told of it. `undefined` where
 * the network is not encrypted, or this host takes no part.
 */
export function tunnelEntries(
  net: string,
  { host, world, states, skipped, now }: TunnelsSeen,
): TunnelEntry[] | undefined {
  const network = world.networks.get(net)?.value;
  const members = world.keyspaces.get(net)?.members;
  if (network === undefined || !isEncrypted(network) || !members?.has(host)) return undefined;
  const child = childOf(net, network);
  const byPeer = new Map(states.filter((state) => state.child === child).map((state) => [state.peer, state]));
  const peers = [...members].filter(([peer]) => peer !== host).sort(([a], [b]) => (a < b ? -1 : 1));
  return peers.map(([peer, member]) => {
    const state = byPeer.get(peer);
    if (state) return { network: net, peer, ...shown(state, now) };
    const skip = skipped.find(({ key }) => key === member.key || key === `hosts/${peer}`);
    return { network: net, peer, state: "down", attempt: 0, why: skip?.reason ?? "charon was not told of it yet" };
  });
}

export function countTunnels(entries: readonly TunnelEntry[]): TunnelCount {
  const down = entries.filter(({ state }) => state !== "up");
  const first = down.map((entry) => "why" in entry && entry.why && `${entry.peer}: ${entry.why}`).find(Boolean);
  return { wanted: entries.length, up: entries.length - down.length, ...(first && { why: first }) };
}

/** As its row's key has it. */
export function childOf(net: string, { backend }: Network): string {
  return backend.type === "vxlan" ? `vxlan-${backend.port}` : `child-${net}`;
}

type Shown = TunnelEntry extends infer Entry
  ? Entry extends TunnelEntry
    ? Omit<Entry, "network" | "peer">
    : never
  : never;

function shown(state: TunnelState, now: number): Shown {
  switch (state.state) {
    case "up":
      return up(state, now);
    case "connecting":
      return { state: "connecting", attempt: state.attempt, ...(state.why !== undefined && { why: state.why }) };
    case "down": {
      const { attempt, nextMs, why } = state;
      return { state: "down", attempt, ...(nextMs !== undefined && { retryMs: Math.max(0, Math.round(nextMs)) }), why };
    }
    case "unknown":
      return { state: "unknown", why: state.why };
  }
}

/** charon tells ages in seconds; an answer has times that stay true while it is read. */
function up(state: TunnelUp, now: number): TunnelUpEntry {
  const { mode, cipher, ike, encap, local, remote, initiator, since, rekeyIn, ikeSince, ikeRekeyIn } = state;
  const { spiIn, spiOut, bytesIn, bytesOut, packetsIn, packetsOut } = state;
  return {
    state: "up",
    ...{ mode, cipher, ike, encap, local, remote, initiator },
    since: timeOf(since, now),
    ...(rekeyIn !== undefined && { rekeyInMs: rekeyIn * 1000 }),
    ikeSince: timeOf(ikeSince, now),
    ...(ikeRekeyIn !== undefined && { ikeRekeyInMs: ikeRekeyIn * 1000 }),
    ...{ spiIn, spiOut, bytesIn, bytesOut, packetsIn, packetsOut },
  };
}

function timeOf(seconds: number, now: number): string {
  return new Date(now - seconds * 1000).toISOString();
}
