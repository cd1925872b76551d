import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { check } from "../../src/ipam/check.ts";
import type { Client } from "../../src/store/client.ts";
import { eventually } from "../e2e/eventually.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";
import { type Allocator, startAllocator } from "./allocator.ts";
import { type Installation, installation } from "./installation.ts";
import { type Stoppable, stoppable } from "./stoppable.ts";

/**
 * One agent, killed between every two calls to etcd on its way from nothing to all that it does with addresses: it joins,
 * takes a block, gives an address, claims one that a record names, takes a second block, lets both addresses go, leaves.
 */
let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.end());

/** Blocks of two addresses, so that the third container takes the second block. */
const network = { cidr: "10.42.0.0/24", blockLength: 31 };

const sibling = (client: Client) => etcd.client({ prefix: client.prefix });

async function start(client: Client, host: string, hand?: Client): Promise<Allocator> {
  const allocator = await startAllocator(client, host, { ...(hand && { hand }), lingerMs: 0 });
  onTestFinished(() => allocator.stop());
  return allocator;
}

/** Everything an agent does with addresses, as far as its hand lets it. */
async function live(blue: Installation, hand: Stoppable): Promise<void> {
  const until = (done: () => Promise<void>) =>
    eventually(async () => {
      if (!hand.stopped()) await done();
    });
  const agent = await start(sibling(blue.client), "h1", hand.client);
  const held = async () => [...(await blue.claims()).values()].filter((claim) => claim?.state === "held").length;
  await blue.container("h1", "fixed", { ip: "10.42.0.77" });
  await blue.containers("h1", 3);
  await until(async () => expect((await blue.addresses()).size).toBe(4));
  await until(async () => expect(await held()).toBe(5));
  for (const id of ["fixed", "c0", "c1", "c2"]) await blue.remove("h1", id);
  await until(async () => expect(await held()).toBe(0));
  await until(async () => expect(agent.world.keyspaces.get("blue")?.members.size ?? 0).toBe(0));
  agent.stop();
}

async function faultsOf(blue: Installation, repair: boolean): Promise<string[]> {
  const { world, stop } = await start(sibling(blue.client), "witness");
  const { client } = blue;
  const found = await check({ client, world, repair, signal: client.signal, settlesMs: 150 });
  stop();
  return found.filter(({ repaired }) => !repaired).map(({ type, key }) => `${type} ${key}`);
}

test("undisturbed it leaves nothing, and takes more calls than are cut below", async () => {
  const blue = await installation(etcd.client(), ["h1", "witness"], network);
  const hand = stoppable(sibling(blue.client), Number.POSITIVE_INFINITY);
  await live(blue, hand);
  expect(await faultsOf(blue, false)).toEqual([]);
  expect(hand.calls()).toBeGreaterThan(24);
  expect(hand.calls()).toBeLessThanOrEqual(36);
});

describe.each(Array.from({ length: 36 }, (_, n) => n))("killed after %i calls", (most) => {
  test("what is amiss can be repaired, and started again it mends the rest itself", async () => {
    const blue = await installation(etcd.client(), ["h1", "witness"], network);
    await live(blue, stoppable(sibling(blue.client), most));
    expect(await faultsOf(blue, true)).toEqual([]);
    expect(await faultsOf(blue, false)).toEqual([]);

    await blue.containers("h1", 2, 10);
    await start(sibling(blue.client), "h1");
    await eventually(async () => expect((await blue.addresses()).get("h1/c11")).toBeDefined());
    const given = [...(await blue.addresses()).values()];
    expect(new Set(given).size).toBe(given.length);
    expect(await faultsOf(blue, false)).toEqual([]);
  });
});
