import type { TunnelState } from "../ike/tunnel-state.ts";
import type { World } from "../model/world.ts";
import type { AgentEvent } from "./event.ts";
import { countTunnels, type TunnelCount, tunnelEntries } from "./tunnel-entries.ts";
import type { NetworkState } from "./view.ts";

export interface TunnelCountsOptions {
  host: string;
  world: World;
  /** As last seen. */
  standing(): readonly TunnelState[];
}

/** How many tunnels of each network are up: counted again only when something of tunnels has happened. */
export interface TunnelCounts {
  /** Absent where the network is not encrypted, or this host takes no part. */
  of(net: string, skipped: NetworkState["skipped"]): TunnelCount | undefined;
  take(event: AgentEvent): void;
}

export function createTunnelCounts({ host, world, standing }: TunnelCountsOptions): TunnelCounts {
  const counts = new Map<string, TunnelCount | undefined>();
  let states: readonly TunnelState[] | undefined;
  return {
    of(net, skipped) {
      if (!counts.has(net)) {
        states ??= standing();
        const entries = tunnelEntries(net, { host, world, states, skipped, now: Date.now() });
        counts.set(net, entries && countTunnels(entries));
      }
      return counts.get(net);
    },
    take(event) {
      if (!bears(event)) return;
      counts.clear();
      states = undefined;
    },
  };
}

/** Members come and go with rows of tunnels, or are skipped. */
function bears(event: AgentEvent): boolean {
  if ("row" in event) return event.row.kind === "tunnel" || event.row.kind === "namespace";
  const { type } = event;
  return type === "skipped" || type === "joined" || type === "left" || /^(tunnel|charon)-/.test(type);
}
