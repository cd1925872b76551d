import { afterAll, beforeAll, expect, test } from "vitest";
import { askFor, confirm, lookAgain, readBlocks } from "../../src/ipam/blocks.ts";
import { createClaiming } from "../../src/ipam/claiming.ts";
import type { Finding } from "../../src/ipam/finding.ts";
import { createOwnRecords } from "../../src/ipam/own-records.ts";
import { repair } from "../../src/ipam/repair.ts";
import { createStock } from "../../src/ipam/stock.ts";
import { type Cidr, cidr, ip } from "../../src/model/address.ts";
import { blockName } from "../../src/model/block.ts";
import { keyOf } from "../../src/model/keys.ts";
import type { Client } from "../../src/store/client.ts";
import { self, worldOf } from "../desired/fold.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.end());

const [wide, narrow] = [cidr("10.42.0.0/25"), cidr("10.42.0.64/26")];

test.each(["older first", "younger first"])(
  "of two hosts that ask for overlapping blocks at once, the one that asked first has its own: %s",
  async (order) => {
    const client = etcd.client();
    expect(await askFor(client, "blue", wide, "h1")).toBe(true);
    expect(await askFor(client, "blue", narrow, "h2")).toBe(true);
    const looks = [() => lookAgain(client, "blue", wide, "h1"), () => lookAgain(client, "blue", narrow, "h2")];
    if (order === "younger first") looks.reverse();
    const blocks = [await looks[0]?.(), await looks[1]?.()];
    const kept = blocks.flatMap((block) => block ?? []);
    expect(kept).toMatchObject([{ prefix: wide }]);
    for (const block of kept) expect(await confirm(client, block)).toBe(true);
    expect(await readBlocks(client, "blue")).toMatchObject([{ prefix: wide, block: { state: "confirmed" } }]);
  },
);

test("nobody asks for a block that somebody has", async () => {
  const client = etcd.client();
  expect(await askFor(client, "blue", wide, "h1")).toBe(true);
  expect(await askFor(client, "blue", wide, "h2")).toBe(false);
});

function claimingOf(client: Client) {
  const inputs = () => ({ world: worldOf([]), self });
  const records = createOwnRecords("h1");
  const stockOf = (net: string) => createStock({ client, net, inputs, loaded() {} });
  return createClaiming({ client, inputs, records, stockOf });
}

const gone = { key: "keyspaces/blue/containers/h1/web", net: "blue", id: "web", ip: ip("10.42.0.70") };
const held = (host: string, sequence: number) =>
  JSON.stringify({ state: "held", owner: { host, container: "web" }, sequence });

test.each([
  ["another owner's", held("h2", 2), 1],
  ["its own again, since it changed hands", held("h1", 3), 1],
])("a release that comes late leaves the claim alone: %s", async (_, standing, sequence) => {
  const client = etcd.client();
  await client.put("addresses/blue/10.42.0.70", standing);
  expect(await claimingOf(client).release({ ...gone, sequence })).toBe("done");
  expect(String((await client.get("addresses/blue/10.42.0.70"))?.value)).toBe(standing);
});

test("a release does not take an address from a record that is back, told or not", async () => {
  const client = etcd.client();
  await client.put("addresses/blue/10.42.0.70", held("h1", 1));
  await client.put(gone.key, '{"name":"web","ip":"10.42.0.70"}');
  const claiming = claimingOf(client);
  expect(await claiming.release({ ...gone, sequence: 1 })).toBe("again");
  expect(await claiming.release({ ...gone, sequence: 1 })).toBe("done");
  expect(String((await client.get("addresses/blue/10.42.0.70"))?.value)).toBe(held("h1", 1));
});

/** A confirmed block of h1, found to be spare. */
async function spareBlock(client: Client, prefix: Cidr): Promise<Finding> {
  const key = keyOf({ type: "block", net: "blue", block: blockName(prefix) });
  await client.put(key, '{"host":"h1","state":"confirmed"}');
  return { type: "spare-block", net: "blue", key, prefix, host: "h1", reason: "host h1 uses no address of it" };
}

/** The client of somebody who is a moment late: `first` is done just before its transaction. */
function late(client: Client, first: () => Promise<unknown>): Client {
  return {
    ...client,
    async commit(expected, writes) {
      await first();
      return client.commit(expected, writes);
    },
  };
}

const resting = '{"state":"resting","owner":{"host":"h1","container":"old"},"sequence":2,"releasedAt":1}';

test.each([
  ["one that nobody ever had", narrow, undefined],
  ["one that rested", narrow, resting],
  ["the first of a block wider than a transaction", wide, undefined],
])("a spare block is kept when an address of it is given as it is about to go back: %s", async (_, prefix, before) => {
  const client = etcd.client();
  const finding = await spareBlock(client, prefix);
  const key = `addresses/blue/${prefix === wide ? "10.42.0.2" : "10.42.0.127"}`;
  if (before) await client.put(key, before);
  const give = () => client.put(key, held("h1", 3));
  expect(await repair(late(client, give), finding, 0)).toBe(false);
  expect(await client.get(finding.key)).toBeDefined();
});

test.each([narrow, wide])(
  "a spare block goes back while its addresses rest, and not once one is held: %s",
  async (prefix) => {
    const client = etcd.client();
    const finding = await spareBlock(client, prefix);
    await client.put("addresses/blue/10.42.0.126", held("h2", 1));
    expect(await repair(client, finding, 0)).toBe(false);
    await client.put("addresses/blue/10.42.0.126", resting);
    await client.put("addresses/blue/10.42.0.200", held("h2", 1));
    expect(await repair(client, finding, 0)).toBe(true);
    expect(await client.get(finding.key)).toBeUndefined();
  },
);
