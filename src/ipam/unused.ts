import type { Cidr } from "../model/address.ts";
import type { Client } from "../store/client.ts";
import type { Expectation } from "../store/transaction.ts";
import { addressesOf } from "./choice.ts";
import { claimKey, claimsWithin } from "./claim-store.ts";

/**
 * What holds only while no address of a block is given: an allocation writes the claim and not the block, so the claims are
 * what to hold to. Of a block with more than `most` addresses those that its host gives first: the lowest that have no claim.
 *
 * @returns undefined where an address is held already. @throws StoreError
 */
export async function unused(
  client: Client,
  net: string,
  prefix: Cidr,
  most: number,
): Promise<Expectation[] | undefined> {
  const claims = await claimsWithin(client, net, [prefix]);
  if (claims.some(({ claim }) => claim?.state === "held")) return undefined;
  const revisions = new Map(claims.map(({ ip, revision }) => [ip, revision]));
  const unclaimed = addressesOf(prefix).filter((ip) => !revisions.has(ip));
  const free = [...unclaimed.take(most)].map((ip): Expectation => ({ key: claimKey(net, ip), at: "absent" }));
  const resting = [...revisions].map(([ip, at]): Expectation => ({ key: claimKey(net, ip), at }));
  return [...free, ...resting].slice(0, most);
}
