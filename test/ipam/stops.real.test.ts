import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { check } from "../../src/ipam/check.ts";
import type { Client } from "../../src/store/client.ts";
import { eventually } from "../eventually.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";
import { type Allocator, startAllocator } from "./allocator.ts";
import { type Installation, installation } from "./installation.ts";
import { type Stoppable, stoppable } from "./stoppable.ts";

/**
 * One agent, killed between every two calls to etcd on its way from nothing to all that it does with addresses: it joins,
 * takes a block, gives an address, claims one that a record names, takes a second block, lets both addresses go, leaves.
 * Once its containers go however far it got, and once they stay, so that what it was about is looked at as it lies.
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

function unlessStopped(hand: Stoppable, done: () => Promise<void>): Promise<void> {
  return eventually(async () => {
    if (!hand.stopped()) await done();
  });
}

async function heldIn(blue: Installation): Promise<number> {
  return [...(await blue.claims()).values()].filter((claim) => claim?.state === "held").length;
}

/** The first half of an agent's life, as far as its hand lets it: it joins, and its four containers get their addresses. */
async function rise(blue: Installation, hand: Stoppable): Promise<Allocator> {
  const agent = await start(sibling(blue.client), "h1", hand.client);
  await blue.container("h1", "fixed", { ip: "10.42.0.77" });
  await blue.containers("h1", 3);
  await unlessStopped(hand, async () => expect((await blue.addresses()).size).toBe(4));
  await unlessStopped(hand, async () => expect(await heldIn(blue)).toBe(5));
  return agent;
}

/** All of it: then the containers go, and it leaves. */
async function live(blue: Installation, hand: Stoppable): Promise<void> {
  const agent = await rise(blue, hand);
  for (const id of ["fixed", "c0", "c1", "c2"]) await blue.remove("h1", id);
  await unlessStopped(hand, async () => expect(await heldIn(blue)).toBe(0));
  await unlessStopped(hand, async () => expect(agent.world.keyspaces.get("blue")?.members.size ?? 0).toBe(0));
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

test("undisturbed its first half leaves nothing amiss, and takes no more calls than are cut below", async () => {
  const blue = await installation(etcd.client(), ["h1", "witness"], network);
  const hand = stoppable(sibling(blue.client), Number.POSITIVE_INFINITY);
  (await rise(blue, hand)).stop();
  expect(await faultsOf(blue, false)).toEqual([]);
  expect(hand.calls()).toBeGreaterThan(15);
  expect(hand.calls()).toBeLessThanOrEqual(26);
});

/** What had not been begun, or only asked for: no address that was given lacks its claim, and no claim its record. */
const unbegun = /^(unclaimed addresses\/blue\/10\.42\.0\.77|pending-block .*)$/;

describe.each(Array.from({ length: 26 }, (_, n) => n))("killed after %i calls while its containers stay", (most) => {
  test.each(["repaired and started again", "started again"])(
    "nothing is half given, and all is once it is %s",
    async (how) => {
      const blue = await installation(etcd.client(), ["h1", "witness"], network);
      (await rise(blue, stoppable(sibling(blue.client), most))).stop();
      const before = await blue.addresses();
      for (const fault of await faultsOf(blue, false)) expect(fault).toMatch(unbegun);
      if (how.startsWith("repaired")) {
        expect(await faultsOf(blue, true)).toEqual([]);
        expect(await faultsOf(blue, false)).toEqual([]);
      }

      await start(sibling(blue.client), "h1");
      await eventually(async () => expect((await blue.addresses()).size).toBe(4));
      await eventually(async () => expect(await heldIn(blue)).toBe(5));
      const given = await blue.addresses();
      expect(new Set(given.values()).size).toBe(4);
      for (const [key, ip] of before) expect(given.get(key)).toBe(ip);
      expect(await faultsOf(blue, false)).toEqual([]);
    },
  );
});
