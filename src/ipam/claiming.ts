import type { Inputs } from "../desired/inputs.ts";
import { misplaced } from "../desired/place.ts";
import { heldBy, type Owner, resting, sameOwner } from "../model/claim.ts";
import { agentAt, claimsOf, oldest } from "../model/claims.ts";
import { compareRevisions, type Revision } from "../model/revision.ts";
import type { Client } from "../store/client.ts";
import type { Stored } from "../store/stored.ts";
import { claimKey, knownClaim } from "./claim-store.ts";
import type { Departed, OwnRecord, OwnRecords } from "./own-records.ts";
import { secure } from "./secure.ts";
import type { Stock } from "./stock.ts";

export interface ClaimingOptions {
  client: Client;
  inputs(): Inputs;
  records: OwnRecords;
  stockOf(net: string): Stock;
}

/** How an attempt ended; `again`: something changed under it; `later`: other hosts were quicker. */
export type Outcome = "done" | "again" | "later" | "full" | "contested";

/**
 * The three things that happen to an address. Each is one transaction that holds to the record and to the claim as they
 * were seen, so a stop before or after it leaves nothing halfway. All throw StoreErrors, after which nobody knows whether
 * it was done; done again, each finds out.
 */
export interface Claiming {
  /** Gives an address to a record that has none. */
  allocate(record: OwnRecord): Promise<Outcome>;
  /** Claims the address that a record names. `contested`: an older record, or an agent, has it. */
  claim(record: OwnRecord): Promise<Outcome>;
  /** Lets an address rest that a record of this host had. */
  release(gone: Departed): Promise<Outcome>;
}

export function createClaiming({ client, inputs, records, stockOf }: ClaimingOptions): Claiming {
  const ownerOf = ({ id }: { id: string }): Owner => ({ host: inputs().self.host, container: id });

  async function allocate(record: OwnRecord): Promise<Outcome> {
    const stock = stockOf(record.net);
    const candidate = await stock.next();
    if (candidate === undefined) return "later";
    if (candidate === "full") return "full";
    const { ip, at, before } = candidate;
    if (records.get(record.key) !== record) {
      stock.giveBack(candidate);
      return "again";
    }
    const key = claimKey(record.net, ip);
    const claim = heldBy(ownerOf(record), before);
    try {
      const commit = await client.commit(
        [
          { key, at },
          { key: record.key, at: record.revision },
        ],
        [
          { type: "put", key, value: JSON.stringify(claim) },
          { type: "put", key: record.key, value: JSON.stringify({ ...record.whole, ip }) },
        ],
      );
      if (commit.done) {
        stock.note(ip, { ip, revision: commit.revision, claim });
        if (records.get(record.key) === record) records.gave(record, ip, commit.revision, claim.sequence);
        return "done";
      }
      const [standing, found] = commit.found;
      if ((standing?.revision ?? "absent") === at) stock.giveBack(candidate);
      else stock.note(ip, standing && knownClaim(ip, standing));
      acceptIf(record, found);
      return "again";
    } catch (error) {
      stock.doubt();
      throw error;
    }
  }

  /** A swap failed; where the record was the reason, it is taken as it was found. */
  function acceptIf(record: OwnRecord, found: Stored | undefined): void {
    if (records.get(record.key) === record && found?.revision !== record.revision) records.accept(record.key, found);
  }

  async function claim(record: OwnRecord): Promise<Outcome> {
    const { net, ip, key: recordKey } = record;
    const { world } = inputs();
    const network = world.networks.get(net);
    const keyspace = world.keyspaces.get(net);
    if (ip === undefined || network === undefined || keyspace === undefined) return "done";
    if (misplaced(network.value, ip) || agentAt(keyspace, ip) !== undefined) return "contested";
    const first = oldest(claimsOf(keyspace, ip));
    if (first && first.key !== recordKey) return "contested";

    const owner = ownerOf(record);
    const stock = stockOf(net);
    const known = stock.known(ip)?.claim;
    if (known?.state === "held" && sameOwner(known.owner, owner)) {
      record.sequence = known.sequence;
      return "done";
    }
    const secured = await secure(client, { net, ip, owner, record });
    switch (secured.type) {
      case "held":
        record.sequence = secured.claim.sequence;
        stock.note(ip, { ip, revision: secured.revision, claim: secured.claim });
        return "done";
      case "changed":
        acceptIf(record, secured.found);
        return "again";
      case "contested":
        return "contested";
    }
  }

  async function release(gone: Departed): Promise<Outcome> {
    const { net, ip, key: recordKey, sequence } = gone;
    const key = claimKey(net, ip);
    const stored = await client.get(key);
    const before = stored && knownClaim(ip, stored).claim;
    if (before?.state !== "held" || !sameOwner(before.owner, ownerOf(gone))) return "done";
    // Late: the address has changed hands since, and came back.
    if (sequence !== undefined && before.sequence !== sequence) return "done";
    const record = records.get(recordKey);
    if (record?.ip === ip) return "done";
    const after = resting(before, Date.now());
    const commit = await client.commit(
      [
        { key, at: stored?.revision ?? "absent" },
        { key: recordKey, at: record?.revision ?? "absent" },
      ],
      [{ type: "put", key, value: JSON.stringify(after) }],
    );
    if (commit.done) {
      stockOf(net).note(ip, { ip, revision: commit.revision, claim: after });
      return "done";
    }
    // A record that the watch has not told of yet.
    const found = commit.found[1];
    if (found && compareRevisions(found.revision, record?.revision ?? ("0" as Revision)) > 0)
      records.accept(recordKey, found);
    return "again";
  }

  return { allocate, claim, release };
}
