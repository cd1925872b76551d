import { contains, type Ip, macOf, overlaps, prefixLength } from "./address.ts";
import { blockPrefix } from "./block.ts";
import type { Container } from "./container.ts";
import type { Decoded } from "./decode.ts";
import type { Host } from "./host.ts";
import type { Member } from "./member.ts";
import { type Network, unusable } from "./network.ts";
import type { Service } from "./service.ts";

/** What no schema can say: relations between key and value, between fields, and ranges. */
export function oddity({ path, value }: Decoded): string | undefined {
  switch (path.type) {
    case "network":
      return oddCidr((value as Network).cidr) ?? oddReserved(value as Network) ?? oddEncryption(value as Network);
    case "host":
      return oddUnderlay((value as Host).address);
    case "member":
      return oddVtep(value as Member);
    case "container":
      return oddMac(value as Container);
    case "block":
      return blockPrefix(path.block) === undefined
        ? `key: expected a prefix without host bits such as 10.42.64.64-26, got "${path.block}"`
        : undefined;
    case "service":
      return oddCname(value as Service);
  }
}

function oddCidr(cidr: Network["cidr"]): string | undefined {
  if (prefixLength(cidr) > 28) return `cidr: expected a /28 or larger, for gateway, agents and containers, got ${cidr}`;
  if (prefixLength(cidr) < 8)
    return `cidr: expected a /8 or smaller, since a larger one covers others' routes, got ${cidr}`;
  const taken = unusable.find(([prefix]) => overlaps(prefix, cidr));
  return taken && `cidr: expected addresses for containers, got ${cidr}: ${taken[0]} is ${taken[1]}`;
}

function oddReserved({ cidr, reserved = [] }: Network): string | undefined {
  const stray = reserved.find((range) => !overlaps(range, cidr));
  return stray && `reserved: expected ranges of ${cidr}, got ${stray}`;
}

/** A wish for encryption is granted or refused, never ignored, and neither is a wish for none. */
function oddEncryption({ backend, encryption }: Network): string | undefined {
  if (backend.type === "ipsec" && encryption === "none")
    return 'encryption: expected "ipsec" or none of this field with backend ipsec, which always encrypts, got "none"';
  if (backend.type === "host-gw" && encryption === "ipsec")
    return 'encryption: expected "none" with backend host-gw, which has nothing to encrypt in, got "ipsec"; use backend ipsec';
  return undefined;
}

/** Link-local may be an underlay; the other ranges that no network may use cannot. */
function oddUnderlay(address: Ip): string | undefined {
  const taken = unusable.find(([prefix]) => !prefix.startsWith("169.254.") && contains(prefix, address));
  return taken && `address: expected a host's unicast address, got ${address}: ${taken[0]} is ${taken[1]}`;
}

/** Two hosts with one VTEP MAC would take each other's packets; following from addresses, MACs are as unique as they are. */
function oddVtep({ address, mac }: Member): string | undefined {
  const derived = macOf(address, "0e");
  return mac === derived ? undefined : `mac: expected ${derived}, which follows from address ${address}, got ${mac}`;
}

/** An alias stands alone in DNS (RFC 1034, 3.6.2). */
function oddCname({ cname, aliases, addresses }: Service): string | undefined {
  if (cname === undefined || (aliases ?? addresses) === undefined) return undefined;
  return `cname: expected it without aliases and addresses, got it beside ${aliases ? "aliases" : "addresses"}`;
}

/** MACs that follow from addresses belong to these: the gateway's, worn by a container, would take its neighbours' packets. */
function oddMac({ ip, mac }: Container): string | undefined {
  if (mac === undefined || !mac.startsWith("02:53:")) return undefined;
  // An address that is given later would hardly be the one that this MAC follows from.
  if (ip === undefined) return `mac: expected one that does not begin with 02:53 where there is no ip, got ${mac}`;
  if (mac === macOf(ip)) return undefined;
  return `mac: expected ${macOf(ip)}, which follows from ip ${ip}, or one that does not begin with 02:53, got ${mac}`;
}
