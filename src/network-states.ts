import { type Declared, skippedOf } from "./desired/declared.ts";
import type { Skip } from "./desired/inputs.ts";
import type { Names } from "./dns/names.ts";
import { type Flow, ofNetwork } from "./flow.ts";
import type { Addresses } from "./ipam/addresses.ts";
import { domainOf, isEncrypted } from "./model/network.ts";
import { earlierOf, type Revision } from "./model/revision.ts";
import type { Convergence } from "./observe/convergence.ts";
import type { TunnelCounts } from "./observe/tunnel-counts.ts";
import type { NetworkState } from "./observe/view.ts";
import type { Engine, FailedRow } from "./reconcile/engine.ts";
import type { WorldWatch } from "./store/world-watch.ts";

export interface NetworkStatesOptions {
  host: string;
  declared: Declared;
  engine: Pick<Engine, "failures">;
  watch: Pick<WorldWatch, "areas">;
  names: Pick<Names, "isServing">;
  addresses: Pick<Addresses, "troubles">;
  counts: TunnelCounts;
  /** Made later than this, of what it says. */
  later(): { flow: Pick<Flow, "rowsOf">; convergence: Pick<Convergence, "of"> };
}

/** How far this host is with each network. */
export interface NetworkStates {
  of(net: string): NetworkState;
  failures(net: string): FailedRow[];
  /** The revision up to which everything that bears on the network has been seen. */
  observed(net: string): Revision;
  /** Encrypted networks that this host takes part in. */
  encrypted(): string[];
}

export function networkStates(options: NetworkStatesOptions): NetworkStates {
  const { host, declared, engine, watch, names, addresses, counts, later } = options;
  const { world } = declared;
  return { of, failures, observed, encrypted };

  function of(net: string): NetworkState {
    const { flow, convergence } = later();
    const network = world.networks.get(net);
    const member = world.keyspaces.get(net)?.members.get(host)?.value;
    const skipped = withTroubles(skippedOf(net, declared.skipped), addresses.troubles(net));
    const tunnels = counts.of(net, skipped);
    return {
      net,
      member: member && { address: member.address, mac: member.mac },
      observed: observed(net),
      converged: convergence.of(net) ?? ("0" as Revision),
      rows: flow.rowsOf(net),
      ...(member && network && { names: { domain: domainOf(net, network.value), serving: names.isServing(net) } }),
      ...(tunnels && { tunnels }),
      failed: failures(net),
      skipped,
    };
  }

  function failures(net: string): FailedRow[] {
    return engine.failures().filter(({ units }) => units.some(ofNetwork(net)));
  }

  function observed(net: string): Revision {
    return (["networks/", "hosts/", `keyspaces/${net}/`] as const)
      .map((area) => watch.areas.get(area)?.observed ?? ("0" as Revision))
      .reduce(earlierOf);
  }

  function encrypted(): string[] {
    return [...(world.memberships.get(host) ?? [])].filter((net) => {
      const network = world.networks.get(net)?.value;
      return network !== undefined && isEncrypted(network);
    });
  }
}

/** What is known better of a record takes the place of what derivation says. */
function withTroubles(skipped: readonly Skip[], troubles: readonly Skip[]): Skip[] {
  const known = new Map(troubles.map((trouble) => [trouble.key, trouble]));
  return skipped.map((skip) => known.get(skip.key) ?? skip);
}
