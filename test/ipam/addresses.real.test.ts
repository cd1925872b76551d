import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { check } from "../../src/ipam/check.ts";
import { usageOf } from "../../src/ipam/usage.ts";
import type { Client } from "../../src/store/client.ts";
import { eventually } from "../eventually.ts";
import { type Etcd, leaderOf, startCluster, startEtcd } from "../store/etcd.ts";
import { type Allocator, type AllocatorOptions, startAllocator } from "./allocator.ts";
import { allocatorProcesses } from "./allocator-process.ts";
import { installation } from "./installation.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.end());

async function start(client: Client, host: string, options: AllocatorOptions = {}): Promise<Allocator> {
  const allocator = await startAllocator(client, host, options);
  onTestFinished(() => allocator.stop());
  return allocator;
}

const faults = (client: Client, { world }: Allocator) =>
  check({ client, world, repair: false, signal: client.signal, settlesMs: 300 });

/** Every host watches by a connection of its own, as hosts do. */
const sibling = (client: Client) => etcd.client({ prefix: client.prefix });

/** How many records have an address, as the client's only member has it, leader or none. */
async function givenAsOf({ etcd, rangeOf }: Client): Promise<number> {
  const { start, end } = rangeOf("keyspaces/blue/containers/");
  const { kvs } = await etcd.kv.range({ key: start, range_end: end, serializable: true });
  return kvs.filter(({ value }) => JSON.parse(String(value)).ip !== undefined).length;
}

test("twenty processes at once give 10,000 containers an address each, and no two the same, though some are killed", {
  timeout: 300_000,
}, async () => {
  const hosts = Array.from({ length: 20 }, (_, n) => `h${n}`);
  const blue = await installation(etcd.client(), hosts, { cidr: "10.42.0.0/16" });
  for (const host of hosts) await blue.containers(host, 500);
  const spawned = await allocatorProcesses(etcd.endpoint, blue.client);
  const [first = "", ...others] = hosts;
  const processes = [await spawned(first), ...(await Promise.all(others.map(spawned)))];
  expect(new Set(processes.map(({ pid }) => pid)).size).toBe(20);
  const witness = await start(sibling(blue.client), "witness");
  const count = () => witness.world.keyspaces.get("blue")?.byIp.size ?? 0;
  for (const { go } of processes) go();
  await eventually(() => expect(count()).toBeGreaterThan(1_000), 60_000);
  const dying = processes.slice(0, 3);
  await Promise.all(dying.map(({ kill }) => kill()));
  expect(count()).toBeLessThan(10_000);
  for (const { host } of dying) (await spawned(host)).go();
  await eventually(() => expect(count()).toBe(10_000), 240_000);

  const given = await blue.addresses();
  expect(given.size).toBe(10_000);
  expect(new Set(given.values()).size).toBe(10_000);
  expect(await faults(blue.client, witness)).toEqual([]);
  // A claim for each container and each agent, and none besides.
  const claims = await blue.claims();
  expect(claims.size).toBe(10_020);
  expect([...claims.values()].every((claim) => claim?.state === "held")).toBe(true);
});

test("a network is filled to its last address, and one that is freed is given again after its rest", async () => {
  const hosts = ["h1", "h2", "h3"];
  const reserved = ["10.42.0.240/28"];
  const blue = await installation(etcd.client(), hosts, { cidr: "10.42.0.0/24", reserved, restSeconds: 1 });
  await blue.container("h1", "fixed", { ip: "10.42.0.77" });
  const all = await Promise.all(hosts.map((host) => start(sibling(blue.client), host)));
  // 256 less network, gateway and 16 reserved, among them broadcast; less one address declared, three agents.
  const room = 256 - 2 - 16 - 1 - 3;
  await blue.containers("h1", room - 20);
  await blue.containers("h2", 10);
  await blue.containers("h3", 11); // one too many
  await eventually(async () => expect((await blue.addresses()).size).toBe(room + 1));

  const given = await blue.addresses();
  expect(new Set(given.values()).size).toBe(room + 1);
  const never = ["10.42.0.0", "10.42.0.1", ...Array.from({ length: 16 }, (_, n) => `10.42.0.${240 + n}`)];
  for (const ip of never) expect([...given.values()]).not.toContain(ip);
  await eventually(async () =>
    expect(all.flatMap(({ addresses }) => addresses.troubles("blue"))).toMatchObject([{ code: "NETWORK_FULL" }]),
  );

  // The last of them lie in blocks of h2 and h3.
  const { world } = all[0] as Allocator;
  const usage = await usageOf(blue.client, world, "blue");
  expect(usage).toMatchObject({ free: 0, used: room + 1 + 3 });
  expect(usage?.hosts.find(({ host }) => host === "h1")?.borrowed).toBeGreaterThan(0);

  const freed = given.get("h1/c3") as string;
  await blue.remove("h1", "c3");
  await eventually(async () => expect((await blue.addresses()).size).toBe(room + 1));
  const after = [...(await blue.addresses())].find(([key]) => !given.has(key));
  expect(after?.[1]).toBe(freed);
  expect((await blue.claims()).get(freed)).toMatchObject({ state: "held", sequence: 3 });
  expect(all.flatMap(({ addresses }) => addresses.troubles("blue"))).toEqual([]);
  expect(await faults(blue.client, all[0] as Allocator)).toEqual([]);
});

test("what else stands in a record stays as it is", async () => {
  const blue = await installation(etcd.client(), ["h1"], { cidr: "10.42.0.0/16" });
  await start(sibling(blue.client), "h1");
  await blue.container("h1", "web", { labels: { a: "b" }, ofALaterVersion: { x: [1] } });
  await eventually(async () => expect((await blue.addresses()).size).toBe(1));
  const { records } = await blue.client.range("keyspaces/blue/containers/");
  expect(JSON.parse(String(records[0]?.value))).toEqual({
    name: "web",
    labels: { a: "b" },
    ofALaterVersion: { x: [1] },
    ip: expect.stringMatching(/^10\.42\./),
  });
});

test("an address that a record names is claimed for it; a younger record gets none, and has it when the older goes", async () => {
  const blue = await installation(etcd.client(), ["h1", "h2"], { cidr: "10.42.0.0/16" });
  await blue.container("h2", "older", { ip: "10.42.7.7" });
  await blue.container("h1", "younger", { ip: "10.42.7.7" });
  const younger = await start(sibling(blue.client), "h1");
  await eventually(async () => expect(younger.world.keyspaces.get("blue")?.members.has("h1")).toBe(true));
  expect((await blue.claims()).get("10.42.7.7")).toBeUndefined();

  await start(sibling(blue.client), "h2");
  const owner = async () => (await blue.claims()).get("10.42.7.7")?.owner;
  await eventually(async () => expect(await owner()).toEqual({ host: "h2", container: "older" }));
  await blue.remove("h2", "older");
  await eventually(async () => expect(await owner()).toEqual({ host: "h1", container: "younger" }));
  expect(await blue.addresses()).toEqual(new Map([["h1/younger", "10.42.7.7"]]));
  expect(await faults(blue.client, younger)).toEqual([]);
});

test("a claim gives way to the record that is older", async () => {
  const blue = await installation(etcd.client(), ["h1", "h2"], { cidr: "10.42.0.0/16" });
  await blue.container("h2", "older", { ip: "10.42.7.7" });
  await blue.container("h1", "younger", { ip: "10.42.7.7" });
  const claim = { state: "held", owner: { host: "h1", container: "younger" }, sequence: 4 };
  await blue.client.put("addresses/blue/10.42.7.7", JSON.stringify(claim));
  await start(sibling(blue.client), "h2");
  await eventually(async () =>
    expect((await blue.claims()).get("10.42.7.7")).toEqual({
      state: "held",
      owner: { host: "h2", container: "older" },
      sequence: 5,
    }),
  );
});

test("an address that was let go rests, and one that is named again at once does not", async () => {
  const blue = await installation(etcd.client(), ["h1"], { cidr: "10.42.0.0/16" });
  await start(sibling(blue.client), "h1");
  await blue.container("h1", "web", { ip: "10.42.7.7" });
  const claim = async () => (await blue.claims()).get("10.42.7.7");
  await eventually(async () => expect(await claim()).toMatchObject({ state: "held", sequence: 1 }));
  await blue.remove("h1", "web");
  await eventually(async () => expect(await claim()).toMatchObject({ state: "resting", sequence: 2 }));
  await blue.container("h1", "web", { ip: "10.42.7.7" });
  await eventually(async () => expect(await claim()).toMatchObject({ state: "held", sequence: 3 }));
});

test("etcd loses its leader midway: nothing is given twice and nothing is lost", { timeout: 300_000 }, async () => {
  const members = await startCluster(3);
  onTestFinished(async () => void (await Promise.all(members.map((member) => member.end()))));
  const endpoints = members.map(({ endpoint }) => endpoint);
  const leader = await leaderOf(members);
  const witness = members.find((member) => member !== leader) as Etcd;
  const hosts = ["h1", "h2", "h3"];
  const client = witness.client({ endpoints });
  const blue = await installation(client, hosts, { cidr: "10.42.0.0/16" });
  const all = await Promise.all(hosts.map((host) => start(witness.client({ endpoints, prefix: client.prefix }), host)));
  for (const host of hosts) await blue.containers(host, 300);
  const count = () => all[0]?.world.keyspaces.get("blue")?.byIp.size ?? 0;
  const follower = witness.client({ prefix: client.prefix });
  await eventually(async () => expect(count()).toBeGreaterThan(100));
  await leader.kill();
  expect(await givenAsOf(follower)).toBeLessThan(900);
  await eventually(async () => expect(count()).toBe(900), 90_000);

  const given = await blue.addresses();
  expect(new Set(given.values()).size).toBe(900);
  expect(await faults(client, all[0] as Allocator)).toEqual([]);
});
