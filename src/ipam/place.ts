import type { Inputs } from "../desired/inputs.ts";
import { isPartOf } from "../desired/peer.ts";
import type { Cidr, Ip } from "../model/address.ts";
import { isConfirmed } from "../model/block.ts";
import { sameOwner } from "../model/claim.ts";
import { isAssignable, type Network } from "../model/network.ts";
import type { Client } from "../store/client.ts";
import { acquireBlock } from "./acquire.ts";
import { type KnownBlock, readBlocks, withdraw } from "./blocks.ts";
import { isInUse } from "./choice.ts";
import { claimsWithin } from "./claim-store.ts";
import { type Candidate, createPool } from "./pool.ts";

/** Where a host joins a network: a block of its own, and of it the agent address. */
export interface Place {
  block: KnownBlock;
  address: Candidate;
}

/**
 * A place for this host in a network: in a block that it has already, else in a new one.
 *
 * @returns undefined where others were quicker; trying again is right. @throws StoreError, and Error where the network is full
 */
export async function choosePlace(
  client: Client,
  net: string,
  network: Network,
  inputs: () => Inputs,
): Promise<Place | undefined> {
  const { host } = inputs().self;
  const own = (await readBlocks(client, net)).filter(
    ({ block, prefix }) => block.host === host && isConfirmed(block) && isPartOf(network.cidr, prefix),
  );
  for (const block of own.sort((a, b) => (a.prefix < b.prefix ? -1 : 1))) {
    const address = await agentAddress(client, net, network, inputs, block);
    if (address) return { block, address };
  }
  const avoid = new Set<Cidr>();
  for (;;) {
    const block = await acquireBlock(client, net, network, inputs, avoid);
    if (block === "full" && avoid.size === 0)
      throw new Error(`expected a free block in ${network.cidr}, got none: every block has a host`);
    if (block === undefined || block === "full") return undefined;
    const address = await agentAddress(client, net, network, inputs, block);
    if (address) return { block, address };
    // All of it rests.
    if (!isConfirmed(block.block)) await withdraw(client, block);
    avoid.add(block.prefix);
  }
}

/** The one that this host's agent had before, where it is free: it need not rest from itself. */
async function agentAddress(
  client: Client,
  net: string,
  network: Network,
  inputs: () => Inputs,
  { prefix }: KnownBlock,
): Promise<Candidate | undefined> {
  const { world, self } = inputs();
  const claims = await claimsWithin(client, net, [prefix]);
  const inUse = (ip: Ip) => isInUse(world.keyspaces.get(net), ip) || !isAssignable(network, ip);
  for (const { ip, revision, claim } of claims) {
    if (claim?.state === "resting" && sameOwner(claim.owner, { host: self.host }) && !inUse(ip))
      return { ip, at: revision, before: claim };
  }
  return createPool({ network, prefixes: [prefix], claims, inUse }).take(Date.now());
}
