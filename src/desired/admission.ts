import { overlaps } from "../model/address.ts";
import { oldest } from "../model/claims.ts";
import type { Network } from "../model/network.ts";
import type { Entry } from "../model/world.ts";
import type { Inputs, Skip } from "./inputs.ts";

/** Why this host takes no part in a network, whatever containers it has there; `undefined` where nothing stands against it. */
export function refusal(net: string, inputs: Inputs): Skip | undefined {
  const { world, self } = inputs;
  const entry = world.networks.get(net);
  if (entry === undefined) return undefined;
  const { cidr, backend, hosts } = entry.value;
  const skip = (code: Skip["code"], reason: string): Skip => ({ key: entry.key, code, reason });

  if (hosts !== undefined && !hosts.includes(self.host))
    return skip("HOST_EXCLUDED", `network ${net} is for hosts ${hosts.join(", ")}, this host is ${self.host}`);
  const covered = self.protected.find(({ prefix }) => overlaps(prefix, cidr));
  if (covered) return skip("CIDR_OVERLAP", `cidr ${cidr} covers ${covered.prefix}, which is ${covered.what}`);
  if (backend.type === "vxlan") {
    const owner = oldest(entriesOf(world.byVni.get(backend.vni) ?? [], inputs));
    if (owner && owner !== entry)
      return skip("VNI_TAKEN", `vni ${backend.vni} belongs to ${owner.key}, which is older`);
    return undefined;
  }
  const rival = oldest(sharersOfRoutes(entry, inputs));
  return rival && rival !== entry
    ? skip(
        "CIDR_TAKEN",
        `cidr ${cidr} overlaps that of ${rival.key}, which is older: networks of backend host-gw share the host's routes`,
      )
    : undefined;
}

/** host-gw puts routes to containers in the host's own table, where overlapping ranges cannot be told apart. */
function sharersOfRoutes(entry: Entry<Network>, { world }: Inputs): Entry<Network>[] {
  return [...world.networks.values()].filter(
    ({ value }) => value.backend.type === "host-gw" && overlaps(value.cidr, entry.value.cidr),
  );
}

function entriesOf(nets: Iterable<string>, { world }: Inputs): Entry<Network>[] {
  return [...nets].flatMap((net) => world.networks.get(net) ?? []);
}
