import type { Inputs } from "../desired/inputs.ts";
import type { Network } from "../model/network.ts";
import type { Client } from "../store/client.ts";
import { acquireBlock } from "./acquire.ts";
import { type KnownBlock, readBlocks } from "./blocks.ts";
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
  const own = (await readBlocks(client, net)).filter(({ block }) => block.host === host && block.state !== "pending");
  for (const block of own.sort((a, b) => (a.prefix < b.prefix ? -1 : 1))) {
    const address = await agentAddress(client, net, network, inputs, block);
    if (address) return { block, address };
  }
  const block = await acquireBlock(client, net, network, inputs);
  if (block === "full") throw new Error(`expected a free block in ${network.cidr}, got none: every block has a host`);
  const address = block && (await agentAddress(client, net, network, inputs, block));
  return address && { block, address };
}

async function agentAddress(
  client: Client,
  net: string,
  network: Network,
  inputs: () => Inputs,
  { prefix }: KnownBlock,
): Promise<Candidate | undefined> {
  const claims = await claimsWithin(client, net, [prefix]);
  const keyspace = inputs().world.keyspaces.get(net);
  return createPool({ network, prefixes: [prefix], claims, inUse: (ip) => isInUse(keyspace, ip) }).take(Date.now());
}
