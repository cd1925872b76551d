import type { Inputs } from "../desired/inputs.ts";
import { hash32 } from "../desired/names.ts";
import { isPartOf } from "../desired/peer.ts";
import type { Cidr } from "../model/address.ts";
import { isConfirmed } from "../model/block.ts";
import type { Network } from "../model/network.ts";
import type { Client } from "../store/client.ts";
import { askFor, type KnownBlock, lookAgain, readBlocks } from "./blocks.ts";
import { chooseBlock } from "./choice.ts";

/** Times that another host was quicker before this one lets things settle. */
const mostTries = 8;

/**
 * A block for this host that it may confirm: one it asked for before it was stopped, else a new one.
 *
 * @param avoid blocks that were looked at and had nothing to give
 * @returns `full` where the network has no block left; undefined where others were quicker all the time. @throws StoreError
 */
export async function acquireBlock(
  client: Client,
  net: string,
  network: Network,
  inputs: () => Inputs,
  avoid: ReadonlySet<Cidr> = new Set(),
): Promise<KnownBlock | "full" | undefined> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { world, self } = inputs();
    const blocks = await readBlocks(client, net);
    const begun = blocks.find(
      ({ block, prefix }) => block.host === self.host && !isConfirmed(block) && isPartOf(network.cidr, prefix),
    );
    const taken = [...blocks.map(({ prefix }) => prefix), ...avoid];
    const keyspace = world.keyspaces.get(net);
    const prefix = begun?.prefix ?? chooseBlock({ network, taken, keyspace, seed: hash32(self.host) });
    if (prefix === undefined) return "full";
    if (!begun && !(await askFor(client, net, prefix, self.host))) continue;
    const block = await lookAgain(client, net, prefix, self.host);
    if (block) return block;
  }
  return undefined;
}
