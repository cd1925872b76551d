import { isConfirmed } from "../model/block.ts";
import { backingKey, type Owner, resting } from "../model/claim.ts";
import { decode } from "../model/decode.ts";
import { keyOf, parseKey, type RecordKey } from "../model/keys.ts";
import type { Client } from "../store/client.ts";
import { type Expectation, maxWrites, type Write } from "../store/transaction.ts";
import { knownClaim } from "./claim-store.ts";
import type { Finding } from "./finding.ts";
import { addressIn, secure } from "./secure.ts";
import { unused } from "./unused.ts";

type Found<T extends Finding["type"]> = Extract<Finding, { type: T }>;

/**
 * Mends what was found, if it is still so: everything is read again, and the transaction holds to what was read.
 *
 * @param fence what else must hold, as that the collector still leads
 * @returns whether it was done. @throws StoreError
 */
export async function repair(
  client: Client,
  finding: Finding,
  now: number,
  fence: readonly Expectation[] = [],
): Promise<boolean> {
  switch (finding.type) {
    case "leak":
      return rest(client, finding, now, fence);
    case "malformed":
    case "rested":
      return forget(client, finding, fence);
    case "unclaimed":
      return claim(client, finding, fence);
    case "stray-block":
    case "pending-block":
    case "spare-block":
      return giveUp(client, finding, fence);
    case "double":
    case "outside":
      return false;
  }
}

async function rest(
  client: Client,
  { net, key, ip }: Found<"leak">,
  now: number,
  fence: readonly Expectation[],
): Promise<boolean> {
  const stored = await client.get(key);
  const known = stored && knownClaim(ip, stored);
  if (known?.claim?.state !== "held") return false;
  const backing = backingKey(net, known.claim.owner);
  const record = await client.get(backing);
  if (record && addressIn(record) === ip) return false;
  const expected: Expectation[] = [
    { key, at: known.revision },
    { key: backing, at: record?.revision ?? "absent" },
  ];
  const value = JSON.stringify(resting(known.claim, now));
  return swap(client, [...expected, ...fence], { type: "put", key, value });
}

async function forget(
  client: Client,
  { key, ip, type }: Found<"malformed" | "rested">,
  fence: readonly Expectation[],
): Promise<boolean> {
  const stored = await client.get(key);
  const claim = stored && knownClaim(ip, stored).claim;
  if (!stored || (type === "malformed" ? claim !== undefined : claim?.state !== "resting")) return false;
  return swap(client, [{ key, at: stored.revision }, ...fence], { type: "remove", key });
}

async function claim(
  client: Client,
  { net, ip, record: key }: Found<"unclaimed">,
  fence: readonly Expectation[],
): Promise<boolean> {
  const record = await client.get(key);
  const owner = ownerOf(key);
  if (!record || !owner || addressIn(record) !== ip) return false;
  return (await secure(client, { net, ip, owner, record }, fence)).type === "held";
}

async function giveUp(
  client: Client,
  { net, key, type, host, prefix }: Found<"stray-block" | "pending-block" | "spare-block">,
  fence: readonly Expectation[],
): Promise<boolean> {
  const stored = await client.get(key);
  const decoded = stored && decode(key, stored.value);
  if (!stored || !decoded || !("path" in decoded) || decoded.path.type !== "block") return false;
  const block = decoded.value as { host: string; state?: "pending" | "confirmed" };
  if (block.host !== host || (type === "pending-block" && isConfirmed(block))) return false;
  const expected: Expectation[] = [{ key, at: stored.revision }, ...fence];
  if (type === "stray-block") expected.push({ key: keyOf({ type: "host", host }), at: "absent" });
  if (type === "spare-block") {
    const ungiven = await unused(client, net, prefix, maxWrites - expected.length);
    if (ungiven === undefined) return false;
    expected.push(...ungiven);
  }
  return swap(client, expected, { type: "remove", key });
}

async function swap(client: Client, expected: readonly Expectation[], write: Write): Promise<boolean> {
  return (await client.commit(expected, [write])).done;
}

function ownerOf(key: RecordKey): Owner | undefined {
  const path = parseKey(key);
  if (path?.type === "member") return { host: path.host };
  return path?.type === "container" ? { host: path.host, container: path.id } : undefined;
}
