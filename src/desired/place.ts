import { contains, firstOf, type Ip, lastOf } from "../model/address.ts";
import { gatewayOf, type Network } from "../model/network.ts";
import type { Skip } from "./inputs.ts";

/** Why an address can be nobody's in a network, container or agent; `undefined` where it can. */
export function misplaced(network: Network, address: Ip): Pick<Skip, "code" | "reason"> | undefined {
  const { cidr } = network;
  if (!contains(cidr, address)) return { code: "ADDRESS_OUTSIDE", reason: `${address} is outside ${cidr}` };
  if (address !== gatewayOf(network) && address !== firstOf(cidr) && address !== lastOf(cidr)) return undefined;
  return {
    code: "ADDRESS_RESERVED",
    reason: `${address} is the gateway's, the network's or the broadcast address of ${cidr}`,
  };
}
