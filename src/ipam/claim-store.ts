import { type Cidr, contains, firstOf, type Ip, prefixLength } from "../model/address.ts";
import { decodeClaim } from "../model/claim.ts";
import { keyOf, parseKey } from "../model/keys.ts";
import type { Revision } from "../model/revision.ts";
import type { Client } from "../store/client.ts";
import { keyText } from "../store/key-range.ts";
import { pages } from "../store/list.ts";
import type { Stored } from "../store/stored.ts";
import type { KnownClaim } from "./pool.ts";

/** Keys a page: see store/list.ts. */
const pageSize = 2_000;
/** Above so many prefixes one list of the network costs less than a list for each. */
const manyPrefixes = 8;

export function claimKey(net: string, ip: Ip) {
  return keyOf({ type: "claim", net, ip });
}

/** What stands under an address's key, as it was read. */
export function knownClaim(ip: Ip, stored: Pick<Stored, "value" | "revision">): KnownClaim {
  const claim = decodeClaim(stored.value);
  return { ip, revision: stored.revision, ...(claim && { claim }) };
}

export interface NetworkClaim extends KnownClaim {
  net: string;
}

/** Every claim of a network, or of all of them; those of one network come together. @throws StoreError */
export function allClaims(client: Client, net?: string): AsyncGenerator<NetworkClaim> {
  return listClaims(client, net === undefined ? "addresses/" : `addresses/${net}/`);
}

/** Claims of addresses within the prefixes. @throws StoreError */
export async function claimsWithin(client: Client, net: string, prefixes: readonly Cidr[]): Promise<KnownClaim[]> {
  const area = `addresses/${net}/`;
  const starts = prefixes.length > manyPrefixes ? [""] : new Set(prefixes.map(commonText));
  const found: KnownClaim[] = [];
  for (const start of starts)
    for await (const claim of listClaims(client, area + start))
      if (prefixes.some((prefix) => contains(prefix, claim.ip))) found.push(claim);
  return found;
}

async function* listClaims(client: Client, below: string): AsyncGenerator<NetworkClaim> {
  const skip = Buffer.byteLength(client.prefix);
  for await (const page of pages(client, client.rangeOf(below), pageSize)) {
    for (const { key, value, mod_revision } of page.records) {
      const path = parseKey(keyText(key, skip));
      if (path?.type !== "claim") continue;
      yield { net: path.net, ...knownClaim(path.ip, { value, revision: mod_revision as Revision }) };
    }
  }
}

/** What the text of all addresses of a prefix begins with: keys sort as text, so a block is not a range of keys. */
function commonText(prefix: Cidr): string {
  const whole = Math.floor(prefixLength(prefix) / 8);
  return firstOf(prefix)
    .split(".")
    .slice(0, Math.min(whole, 3))
    .map((octet) => `${octet}.`)
    .join("");
}
