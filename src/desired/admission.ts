import { overlaps } from "../model/address.ts";
import { olderOwner, oldest } from "../model/claims.ts";
import { isEncrypted, type Network } from "../model/network.ts";
import type { Entry } from "../model/world.ts";
import type { Inputs, Self, Skip, SkipCode } from "./inputs.ts";
import { misplaced } from "./place.ts";
import { hasPlace } from "./uplinks.ts";

/** Why this host takes no part in a network, whatever containers it has there; `undefined` where nothing stands against it. */
export function refusal(net: string, inputs: Inputs): Skip | undefined {
  const { world, self } = inputs;
  const entry = world.networks.get(net);
  if (entry === undefined) return undefined;
  const { cidr, backend, hosts } = entry.value;
  const skip = (code: SkipCode, reason: string): Skip => ({ key: entry.key, code, reason });

  if (hosts !== undefined && !hosts.includes(self.host))
    return skip("HOST_EXCLUDED", `network ${net} names ${hosts.length} hosts, and ${self.host} is none of them`);
  const covered = [...self.protected, uplinksOf(self)].find(({ prefix }) => overlaps(prefix, cidr));
  if (covered) return skip("CIDR_OVERLAP", `cidr ${cidr} covers ${covered.prefix}, which is ${covered.what}`);
  const { missing } = self.ipsec;
  if (isEncrypted(entry.value) && missing.length > 0)
    return skip("IPSEC_UNSUPPORTED", `network ${net} is encrypted, and this host lacks ${missing.join(", ")}`);
  if (!hasPlace(net, inputs))
    return skip("UPLINKS_FULL", `every place for an uplink in ${self.uplinks} is taken by networks of earlier names`);
  const unfit = unfitMember(net, inputs);
  if (unfit) return unfit;
  if (backend.type === "vxlan") {
    const owner = oldest(entriesOf(world.byVni.get(backend.vni) ?? [], inputs));
    if (owner && owner !== entry)
      return skip("VNI_TAKEN", `vni ${backend.vni} belongs to ${owner.key}, which is older`);
    return undefined;
  }
  if (backend.type === "ipsec") return undefined;
  const rival = oldest(sharersOfRoutes(entry, inputs));
  return rival && rival !== entry
    ? skip(
        "CIDR_TAKEN",
        `cidr ${cidr} overlaps that of ${rival.key}, which is older: networks of backend host-gw share the host's routes`,
      )
    : undefined;
}

/** Why this host cannot have the agent address its membership says: it has to join anew. */
export function unfitMember(net: string, { world, self }: Inputs): Skip | undefined {
  const network = world.networks.get(net);
  const keyspace = world.keyspaces.get(net);
  const me = keyspace?.members.get(self.host);
  if (!network || !keyspace || !me) return undefined;
  const { address } = me.value;
  const odd = misplaced(network.value, address);
  if (odd) return { key: me.key, code: odd.code, reason: `agent address ${odd.reason}` };
  const owner = olderOwner(keyspace, me);
  if (!owner) return undefined;
  const reason = `agent address ${address} belongs to ${owner.key}, which is older`;
  return { key: me.key, code: "ADDRESS_TAKEN", reason };
}

function uplinksOf({ uplinks }: Self): Self["protected"][number] {
  return { prefix: uplinks, what: "where uplinks take their addresses" };
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
