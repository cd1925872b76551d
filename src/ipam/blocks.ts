import { type Cidr, overlaps } from "../model/address.ts";
import { type Block, blockName, blockPrefix, isConfirmed } from "../model/block.ts";
import { decode } from "../model/decode.ts";
import { keyOf, type RecordKey } from "../model/keys.ts";
import { compareRevisions, type Revision } from "../model/revision.ts";
import type { Client } from "../store/client.ts";
import { standing } from "./standing.ts";

/** A block as it stands in etcd. */
export interface KnownBlock {
  key: RecordKey;
  prefix: Cidr;
  block: Block;
  revision: Revision;
  created: Revision;
}

/** Every block of a network, as of now. @throws StoreError */
export async function readBlocks(client: Client, net: string): Promise<KnownBlock[]> {
  const { records } = await client.range(`keyspaces/${net}/blocks/`);
  return records.flatMap(({ key, value, revision, created }) => {
    const decoded = decode(key, value);
    if (!decoded || !("path" in decoded) || decoded.path.type !== "block") return [];
    const prefix = blockPrefix(decoded.path.block);
    return prefix === undefined ? [] : [{ key: decoded.key, prefix, block: decoded.value as Block, revision, created }];
  });
}

/** Asks for a block: the first of two steps. @returns false where somebody has it, or asked before. @throws StoreError */
export async function askFor(client: Client, net: string, prefix: Cidr, host: string): Promise<boolean> {
  const key = keyOf({ type: "block", net, block: blockName(prefix) });
  const value = JSON.stringify({ host, state: "pending" } satisfies Block);
  const at = await standing(client, key);
  return at !== "record" && (await client.commit([{ key, at }], [{ type: "put", key, value }])).done;
}

/**
 * Whether a block that was asked for may be had. Of those that overlap the older has it: who asked later sees the earlier
 * here, since it looks after it asked, and withdraws.
 *
 * @returns the block as it stands; undefined where it cannot be had, and it is then withdrawn. @throws StoreError
 */
export async function lookAgain(
  client: Client,
  net: string,
  prefix: Cidr,
  host: string,
): Promise<KnownBlock | undefined> {
  const blocks = await readBlocks(client, net);
  const own = blocks.find((found) => found.prefix === prefix && found.block.host === host);
  if (own === undefined || isConfirmed(own.block)) return own;
  const rival = blocks.find(
    (other) =>
      other !== own &&
      overlaps(other.prefix, prefix) &&
      other.block.host !== host &&
      compareRevisions(other.created, own.created) < 0,
  );
  if (rival === undefined) return own;
  await withdraw(client, own);
  return undefined;
}

/** Gives a block back that was asked for and not taken. @throws StoreError */
export async function withdraw(client: Client, { key, revision }: KnownBlock): Promise<void> {
  await client.commit([{ key, at: revision }], [{ type: "remove", key }]);
}

/** The value that makes a block the host's for good. */
export function confirmed(host: string): string {
  return JSON.stringify({ host, state: "confirmed" } satisfies Block);
}

/** The second step, where nothing else is to be written with it. @throws StoreError */
export async function confirm(client: Client, block: KnownBlock): Promise<boolean> {
  if (isConfirmed(block.block)) return true;
  const { key, revision } = block;
  const value = confirmed(block.block.host);
  return (await client.commit([{ key, at: revision }], [{ type: "put", key, value }])).done;
}
