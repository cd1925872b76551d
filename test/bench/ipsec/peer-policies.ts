import { reqidOf } from "../../../src/desired/backends/security.ts";
import { firstIfId, type Policy } from "../../../src/desired/rows.ts";
import { type Cidr, type Ip, prefixLength } from "../../../src/model/address.ts";
import type { Peer } from "../world.ts";

/** The two policies of a peer's one block, as the rules of backend ipsec come to. */
export function policiesOf({ name, underlay, block }: Peer, own: Ip): Policy[] {
  const anywhere = "0.0.0.0/0" as Cidr;
  const priority = 8300 + 32 - prefixLength(block);
  const rest = { ifId: firstIfId, priority, mode: "tunnel", reqid: reqidOf(name) } as const;
  return [
    { dir: "out", src: anywhere, dst: block, ...rest, outer: { src: own, dst: underlay } },
    { dir: "in", src: block, dst: anywhere, ...rest, outer: { src: underlay, dst: own } },
  ];
}

/** What the witness hears of them. */
export function policyRows(where: string, { block }: Peer): string[] {
  return [`${where} + policy out ${block}`, `${where} + policy in ${block}`];
}

export function policiesGone(where: string, { block }: Peer): string[] {
  return [`${where} - policy out ${block}`, `${where} - policy in ${block}`];
}
