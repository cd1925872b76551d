import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { check } from "../../src/ipam/check.ts";
import { type Collection, createCollection } from "../../src/ipam/collection.ts";
import { removeHost } from "../../src/ipam/remove-host.ts";
import { usageOf } from "../../src/ipam/usage.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import type { Client } from "../../src/store/client.ts";
import { campaign, type Leadership } from "../../src/store/leadership.ts";
import { eventually } from "../eventually.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";
import { type Allocator, startAllocator } from "./allocator.ts";
import { type Installation, installation } from "./installation.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.end());

const sibling = (client: Client) => etcd.client({ prefix: client.prefix });
const hour = 3_600_000;

async function start(client: Client, host: string): Promise<Allocator> {
  const allocator = await startAllocator(sibling(client), host);
  onTestFinished(() => allocator.stop());
  return allocator;
}

interface Collector {
  collection: Collection;
  leadership: Leadership;
  events: AgentEvent[];
}

/** Looks only when it is told to, and by the clock it is told. It leads by `voice`, where that is another. */
async function collector(
  client: Client,
  { world, host }: Allocator,
  { forgetMs, voice = client }: { forgetMs?: number; voice?: Client } = {},
): Promise<Collector> {
  const leadership = campaign({ client: voice, key: "leaders/ipam", value: host, ttlSeconds: 2 });
  const events: AgentEvent[] = [];
  const collection = createCollection({
    client,
    world,
    leadership,
    alive: async () => new Set([host]),
    tell: (event) => events.push(event),
    everyMs: hour,
    graceMs: 60_000,
    ...(forgetMs !== undefined && { forgetMs }),
  });
  onTestFinished(async () => {
    collection.stop();
    await leadership.stop();
  });
  return { collection, leadership, events };
}

/** Two hosts with two containers each; h2 has ended, and leaves what a host that died leaves. */
async function halfDead(): Promise<{ blue: Installation; living: Allocator; dead: string[] }> {
  const blue = await installation(etcd.client(), ["h1", "h2"], { cidr: "10.42.0.0/16" });
  const [living, dying] = [await start(blue.client, "h1"), await start(blue.client, "h2")];
  for (const host of ["h1", "h2"]) await blue.containers(host, 2);
  await eventually(async () => expect((await blue.addresses()).size).toBe(4));
  dying.stop();
  const dead = [...(await blue.addresses())].flatMap(([key, ip]) => (key.startsWith("h2/") ? [ip] : []));
  return { blue, living, dead };
}

/** Watches a key: the outer promise resolves when the watch stands, the inner once the key is gone. */
async function deletion({ etcd, prefix }: Client, key: string): Promise<{ gone: Promise<void> }> {
  const watcher = await etcd
    .watch()
    .key(prefix + key)
    .create();
  onTestFinished(() => watcher.cancel());
  return { gone: new Promise((resolve) => void watcher.once("delete", () => resolve())) };
}

const heldOf = async (blue: Installation) =>
  [...(await blue.claims())].flatMap(([ip, claim]) => (claim?.state === "held" ? [ip] : []));

test("what nobody has is taken back after two looks and the grace, and nothing else is", async () => {
  const { blue, living, dead } = await halfDead();
  const { collection, leadership, events } = await collector(blue.client, living);
  await eventually(() => expect(leadership.fence()).toBeDefined());
  const before = await heldOf(blue);
  // A host that is dead but was not removed keeps everything.
  for (const now of [0, hour]) expect(await collection.sweep(now)).toBe(0);
  expect((await heldOf(blue)).sort()).toEqual(before.sort());

  await blue.remove("h2", "c0");
  await eventually(() => expect(living.world.keyspaces.get("blue")?.byIp.size).toBe(3));
  expect(await collection.sweep(2 * hour)).toBe(0);
  expect(await collection.sweep(2 * hour + 59_999)).toBe(0);
  expect(await collection.sweep(2 * hour + 60_000)).toBe(1);
  expect(events).toMatchObject([{ type: "collected", key: `addresses/blue/${dead[0]}` }]);
  expect((await heldOf(blue)).sort()).toEqual(before.filter((ip) => ip !== dead[0]).sort());
});

test("what was put right between two looks is not taken back", async () => {
  const { blue, living, dead } = await halfDead();
  const { collection, leadership } = await collector(blue.client, living);
  await eventually(() => expect(leadership.fence()).toBeDefined());
  await blue.remove("h2", "c0");
  await eventually(() => expect(living.world.keyspaces.get("blue")?.byIp.size).toBe(3));
  await collection.sweep(0);
  // The record is back, and this agent's world does not know it yet: the transaction does.
  living.stop();
  await blue.container("h2", "c0", { ip: dead[0] });
  expect(await collection.sweep(hour)).toBe(0);
  expect((await blue.claims()).get(dead[0] as string)).toMatchObject({ state: "held" });
});

test("only one leads, and another takes over when it ends", async () => {
  const { blue, living } = await halfDead();
  const first = await collector(sibling(blue.client), living);
  await eventually(() => expect(first.leadership.fence()).toBeDefined());
  const second = await collector(sibling(blue.client), living);
  await blue.client.put(
    "addresses/blue/10.42.9.9",
    '{"state":"held","owner":{"host":"h9","container":"x"},"sequence":1}',
  );
  for (const now of [0, hour]) expect(await second.collection.sweep(now)).toBe(0);
  await first.leadership.stop();
  await eventually(() => expect(second.leadership.fence()).toBeDefined());
  await second.collection.sweep(2 * hour);
  expect(await second.collection.sweep(3 * hour)).toBe(1);
  expect((await blue.claims()).get("10.42.9.9")).toMatchObject({ state: "resting" });
});

test("who is cut off leads until its lease runs out, and then collects nothing, whatever it believes", async () => {
  const { blue, living } = await halfDead();
  const voice = sibling(blue.client);
  const first = await collector(sibling(blue.client), living, { voice });
  await eventually(() => expect(first.leadership.fence()).toBeDefined());
  const second = await collector(sibling(blue.client), living);
  const leak = '{"state":"held","owner":{"host":"h9","container":"x"},"sequence":1}';
  await blue.client.put("addresses/blue/10.42.9.9", leak);
  const expired = await deletion(blue.client, "leaders/ipam");
  voice.close();
  expect(await second.collection.sweep(0)).toBe(0);
  await expired.gone;
  await eventually(() => expect(second.leadership.fence()).toBeDefined());
  // Its fence is of the key that is gone.
  expect(first.leadership.fence()).not.toEqual(second.leadership.fence());
  for (const now of [0, hour]) expect(await first.collection.sweep(now)).toBe(0);
  expect((await blue.claims()).get("10.42.9.9")).toMatchObject({ state: "held" });
  await second.collection.sweep(2 * hour);
  expect(await second.collection.sweep(3 * hour)).toBe(1);
  expect([first.events, second.events]).toMatchObject([[], [{ type: "collected" }]]);
});

test("a host that is removed leaves nothing but addresses that rest; so does one that is away too long", async () => {
  const { blue, living, dead } = await halfDead();
  const gone = await removeHost(blue.client, living.world, "h2");
  expect(gone).toEqual({ containers: 2, addresses: 3, blocks: 1, networks: 1 });
  const keys = async () => (await blue.client.range("")).records.map(({ key }) => key);
  expect((await keys()).filter((key) => key.includes("h2"))).toEqual([]);
  for (const ip of dead) expect((await blue.claims()).get(ip)).toMatchObject({ state: "resting" });
  await eventually(() => expect(living.world.memberships.has("h2")).toBe(false));
  expect(await usageOf(blue.client, living.world, "blue")).toMatchObject({
    used: 3,
    resting: 3,
    borrowed: 0,
    free: 65_533 - 6,
    hosts: [{ host: "h1", used: 3, free: 61 }],
  });
  const faults = {
    client: blue.client,
    world: living.world,
    repair: false,
    signal: blue.client.signal,
    settlesMs: 100,
  };
  expect(await check(faults)).toEqual([]);

  const again = await halfDead();
  const { collection, leadership } = await collector(again.blue.client, again.living, { forgetMs: 10 * hour });
  await eventually(() => expect(leadership.fence()).toBeDefined());
  for (const now of [0, 9 * hour]) expect(await collection.sweep(now)).toBe(0);
  expect(await collection.sweep(10 * hour)).toBe(1);
  const left = (await again.blue.client.range("")).records.map(({ key }) => key);
  expect(left.filter((key) => key.includes("h2"))).toEqual([]);
});

test("a host whose agent is back is not removed, nor said to be; midway it keeps what is left", async () => {
  const { blue, living, dead } = await halfDead();
  let removals = 0;
  const client: Client = {
    ...sibling(blue.client),
    async commit(expected, writes) {
      const commit = await blue.client.commit(expected, writes);
      // Its containers went: now it is back.
      if (commit.done && writes.some(({ type }) => type === "remove") && removals++ === 0)
        await blue.client.put("alive/h2", "{}");
      return commit;
    },
  };
  const { collection, leadership, events } = await collector(client, living, { forgetMs: 10 * hour });
  await eventually(() => expect(leadership.fence()).toBeDefined());
  const keys = async () => (await blue.client.range("")).records.map(({ key }) => key);
  await collection.sweep(0);
  // The collector knows of living agents what it read a moment ago.
  await blue.client.put("alive/h2", "{}");
  const before = await keys();
  expect(await collection.sweep(10 * hour)).toBe(0);
  expect(await keys()).toEqual(before);
  expect(events).toEqual([]);

  await blue.client.remove("alive/h2");
  expect(await collection.sweep(11 * hour)).toBe(0);
  const message = "Stopped removing host h2: alive/h2 is not as it was. Removed by then: 2 containers";
  expect(events).toMatchObject([{ type: "warned", code: "HOST_PARTLY_REMOVED", message }]);
  expect((await keys()).filter((key) => key.includes("h2"))).toEqual([
    "alive/h2",
    "hosts/h2",
    expect.stringMatching("keyspaces/blue/members/h2"),
  ]);
  for (const ip of dead) expect((await blue.claims()).get(ip)).toMatchObject({ state: "held" });

  await blue.client.remove("alive/h2");
  expect(await collection.sweep(12 * hour)).toBe(1);
  expect(events).toMatchObject([{ code: "HOST_PARTLY_REMOVED" }, { code: "HOST_REMOVED" }]);
  expect((await keys()).filter((key) => key.includes("h2"))).toEqual([]);
});

test("a block that is another's by the time its host is removed stays, and the others go", async () => {
  const { blue, living } = await halfDead();
  const another = "keyspaces/blue/blocks/10.42.200.0-26";
  await blue.client.put(another, '{"host":"h2","state":"confirmed"}');
  await eventually(() => expect(living.world.keyspaces.get("blue")?.blocksByHost.get("h2")?.size).toBe(2));
  const client: Client = {
    ...blue.client,
    async commit(expected, writes) {
      const value = '{"host":"h1","state":"confirmed"}';
      if (writes.some(({ key }) => key === another) && !String((await blue.client.get(another))?.value).includes("h1"))
        await blue.client.put(another, value);
      return blue.client.commit(expected, writes);
    },
  };
  expect(await removeHost(client, living.world, "h2")).toEqual({ containers: 2, addresses: 3, blocks: 1, networks: 1 });
  const { records } = await blue.client.range("keyspaces/blue/blocks/");
  expect(records.map(({ value }) => JSON.parse(String(value)).host)).toEqual(["h1", "h1"]);
});

test("blocks go back when nothing of them is used, but one a member, and those of hosts without a record", async () => {
  const blue = await installation(etcd.client(), ["h1"], { cidr: "10.42.0.0/16", blockLength: 31, restSeconds: 0 });
  const agent = await start(blue.client, "h1");
  await blue.containers("h1", 5);
  await eventually(async () => expect((await blue.addresses()).size).toBe(5));
  expect(agent.world.keyspaces.get("blue")?.blocks.size).toBe(3);
  await blue.client.put("keyspaces/blue/blocks/10.42.200.0-31", '{"host":"nobody"}');
  for (let n = 0; n < 5; n++) await blue.remove("h1", `c${n}`);
  await eventually(async () => expect(await heldOf(blue)).toHaveLength(1));

  const { collection, leadership } = await collector(blue.client, agent);
  await eventually(() => expect(leadership.fence()).toBeDefined());
  await collection.sweep(0);
  await collection.sweep(60_000);
  await eventually(() => expect(agent.world.keyspaces.get("blue")?.blocks.size).toBe(1));
  await blue.containers("h1", 3, 10);
  await eventually(async () => expect((await blue.addresses()).size).toBe(3));
});
