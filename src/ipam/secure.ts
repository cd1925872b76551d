import type { Ip } from "../model/address.ts";
import { backingKey, type Claim, heldBy, type Owner, sameOwner } from "../model/claim.ts";
import type { Container } from "../model/container.ts";
import { decode } from "../model/decode.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Member } from "../model/member.ts";
import { compareRevisions, type Revision } from "../model/revision.ts";
import type { Client } from "../store/client.ts";
import type { Stored } from "../store/stored.ts";
import type { Expectation } from "../store/transaction.ts";
import { claimKey, knownClaim } from "./claim-store.ts";

/** A record that names an address, as it was read. */
export interface Naming {
  net: string;
  ip: Ip;
  owner: Owner;
  record: Pick<Stored, "key" | "revision" | "created">;
}

export type Secured =
  | { type: "held"; claim: Claim; revision: Revision }
  /** Another record has the address by right of age. */
  | { type: "contested"; by: RecordKey | undefined }
  /** The record is another than it was. */
  | { type: "changed"; found: Stored | undefined };

/** Swaps lost to others before one is given up for now. */
const mostTries = 8;

/**
 * Makes the claim on an address that of the record that names it. A claim of somebody else gives way where its record is
 * gone, names another address, or is younger, by what etcd says in the very transaction.
 *
 * @param fence what else must hold. @throws StoreError
 */
export async function secure(
  client: Client,
  { net, ip, owner, record }: Naming,
  fence: readonly Expectation[] = [],
): Promise<Secured> {
  const key = claimKey(net, ip);
  let at: Expectation["at"] = "absent";
  let before: Claim | undefined;
  let rival: Expectation[] = [];
  for (let tries = 0; tries < mostTries; tries++) {
    const claim = heldBy(owner, before);
    const commit = await client.commit(
      [{ key, at }, { key: record.key, at: record.revision }, ...rival, ...fence],
      [{ type: "put", key, value: JSON.stringify(claim) }],
    );
    if (commit.done) return { type: "held", claim, revision: commit.revision };
    const [standing, found] = commit.found;
    if (found?.revision !== record.revision) return { type: "changed", found };
    const known = standing && knownClaim(ip, standing);
    at = known?.revision ?? "absent";
    before = known?.claim;
    rival = [];
    if (known === undefined || before?.state !== "held") continue;
    if (sameOwner(before.owner, owner)) return { type: "held", claim: before, revision: known.revision };
    const backing = backingKey(net, before.owner);
    const other = await client.get(backing);
    if (other && addressIn(other) === ip && isOlder(other, record)) return { type: "contested", by: backing };
    rival = [{ key: backing, at: other?.revision ?? "absent" }];
  }
  return { type: "contested", by: before && backingKey(net, before.owner) };
}

/** The address that a container's or a member's record names, if it is one. */
export function addressIn({ key, value }: Pick<Stored, "key" | "value">): Ip | undefined {
  const decoded = decode(key, value);
  if (!decoded || !("path" in decoded)) return undefined;
  return decoded.path.type === "member" ? (decoded.value as Member).address : (decoded.value as Container).ip;
}

/** As rules have it, of containers and agents alike: see model/claims.ts. */
function isOlder(other: Naming["record"], record: Naming["record"]): boolean {
  const age = compareRevisions(other.created, record.created);
  return age < 0 || (age === 0 && other.key < record.key);
}
