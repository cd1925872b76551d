import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ping, startPing } from "../../src/lab/demo/ping.ts";
import { eventually } from "../eventually.ts";
import { type Container, keyOf, namespaceOf, openScene, prefix, recordOf, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf, withoutSysctls } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
/** On the host that leaves. */
const bot: Container = { net: "blue", host: "h3", name: "bot", ip: "10.42.205.7" };
/** In another network, across all three hosts. */
const others = [app, base, bot].map((container): Container => ({ ...container, net: "green" }));
const [greenApp, greenBase, greenBot] = others as [Container, Container, Container];

let scene: Scene;
/** The agent of h3, which is not the scene's: how it ends is of interest. Its host stays in a network without containers. */
let leaver: ChildProcessWithoutNullStreams;
/** Before h3 was there. */
let without: { h3: Snapshot; others: Snapshot[] };
beforeAll(async () => {
  scene = await openScene({ hosts: 3, args: ["--linger", "1"] });
  await scene.start("h1", "h2");
  await scene.put("networks/blue", vxlan(1042));
  await scene.put("networks/green", vxlan(1043));
  for (const container of [app, base, greenApp, greenBase]) await scene.enter(container);
  for (const net of ["blue", "green"]) await scene.converged(net);
  for (const container of [bot, greenBot]) await scene.lab.host("h3").container(namespaceOf(container));
  without = { h3: await look("h3"), others: await Promise.all(["h1", "h2"].map(look)) };
  await enter();
});
afterAll(() => scene?.lab.close());

async function look(host: string): Promise<Snapshot> {
  return withoutSysctls(await snapshotOf(scene.lab.host(host)));
}

/** Starts the agent of h3 and puts its containers' records. */
async function enter(): Promise<void> {
  const { directory, etcd } = scene.lab;
  const where = ["--host", "h3", "--etcd", etcd.endpoint, "--underlay", "eth0"];
  const files = ["--state", join(directory, "h3", "state"), "--socket", "/run/skein/agent.sock"];
  leaver = scene.lab.host("h3").spawn("skein", ["agent", ...where, ...files, "--linger", "3600"]);
  leaver.stdout.resume();
  leaver.stderr.resume();
  for (const container of [bot, greenBot]) await scene.put(keyOf(container), recordOf(container));
  for (const net of ["blue", "green"])
    await eventually(async () => expect((await records()).has(`keyspaces/${net}/members/h3`)).toBe(true));
  for (const net of ["blue", "green"]) await scene.converged(net);
}

interface Stored {
  value: string;
  /** Of the last write. */
  revision: number;
}

/** All that etcd has of the installation, by key. */
async function records(): Promise<Map<string, Stored>> {
  const answer = JSON.parse(await scene.lab.etcd.ctl(["get", "--prefix", `${prefix}/`, "--write-out", "json"]));
  const text = (base64 = "") => Buffer.from(base64, "base64").toString();
  return new Map(
    answer.kvs.map((kv: { key: string; value: string; mod_revision: number }) => [
      text(kv.key).slice(prefix.length + 1),
      { value: text(kv.value), revision: kv.mod_revision },
    ]),
  );
}

/** Keys of records that a host's agent writes: with its name in them, or blocks that lead to it. */
async function writtenBy(host: string): Promise<string[]> {
  const all = [...(await records())].filter(
    ([key, { value }]) =>
      (key.includes("/blocks/") && JSON.parse(value).host === host) ||
      (key.split("/").includes(host) && !key.includes("/containers/")),
  );
  return all.map(([key]) => key.replace(/blocks\/.*/, "blocks")).sort();
}

test("a network that a host has a container in no more is kept, and found as it was when one comes back", async () => {
  const agent = await openTap(scene, "h3");
  const peer = await openTap(scene, "h1");
  const before = await records();
  const kept = (all: Map<string, Stored>) => [...all].filter(([key]) => /blue\/(members|blocks)/.test(key));
  expect(kept(before)).toHaveLength(6);

  await scene.remove(keyOf(bot));
  await scene.converged("blue");
  expect(await ping(scene.placeOf(app), bot.ip, 1)).toMatchObject({ received: 0 });
  await scene.put(keyOf(bot), recordOf(bot));
  await scene.converged("blue");
  expect(await ping(scene.placeOf(app), bot.ip)).toMatchObject({ received: 2, ttl: 62 });

  expect(kept(await records())).toEqual(kept(before));
  expect([...agent.of("joined"), ...agent.of("left")]).toEqual([]);
  const removed = [...agent.of("removed"), ...peer.of("removed")];
  expect(removed.map(({ cause }) => cause.key)).toEqual(removed.map(() => keyOf(bot)));
});

test("a host leaves a network a while after its last container there, with every record and row", async () => {
  const running = await startPing(scene.placeOf(app), base.ip);
  const tap = await openTap(scene, "h2");
  expect(await writtenBy("h2")).toContain("keyspaces/green/members/h2");
  await scene.remove(keyOf(greenBase));
  await tap.until("left", ({ network }) => network === "green");
  await eventually(async () => expect(JSON.stringify(await look("h2"))).not.toMatch(/skein-green|sku-green/));
  await scene.converged("green");
  const blue = ["keyspaces/blue/blocks", "keyspaces/blue/members/h2"];
  expect(await writtenBy("h2")).toEqual(["alive/h2", "hosts/h2", ...blue, "status/blue/h2"]);
  const { "skein-green": inside, host } = await look("h1");
  const underlay = scene.lab.host("h2").underlay.address();
  expect(JSON.stringify([inside, host?.nft])).not.toContain(greenBase.ip);
  expect(inside?.fdb).not.toContainEqual(expect.objectContaining({ dst: underlay }));
  expect((await look("h1"))["skein-blue"]?.fdb).toContainEqual(expect.objectContaining({ dst: underlay }));

  await scene.put(keyOf(greenBase), recordOf(greenBase));
  await tap.until("joined", ({ network }) => network === "green");
  await scene.converged("green");
  expect(await ping(scene.placeOf(greenApp), greenBase.ip)).toMatchObject({ received: 2, ttl: 62 });
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
});

test("a host that leaves takes along all that it wrote and all that others had for it, and nothing else", async () => {
  const pings = await Promise.all(
    [
      [app, base],
      [greenBase, greenApp],
    ].map(([from, to]) => startPing(scene.placeOf(from as Container), (to as Container).ip)),
  );
  expect(await writtenBy("h3")).toEqual([
    "alive/h3",
    "hosts/h3",
    ...["blue", "green"].flatMap((net) => [`keyspaces/${net}/blocks`, `keyspaces/${net}/members/h3`]),
    ...["blue", "green"].map((net) => `status/${net}/h3`),
  ]);
  const ended = once(leaver, "exit");
  expect(await scene.lab.host("h3").output("skein", ["leave"])).toMatch(/^Left: /);
  expect(await ended).toEqual([0, null]);

  expect(await writtenBy("h3")).toEqual([]);
  const left = await records();
  for (const container of [bot, greenBot]) expect(left.has(keyOf(container))).toBe(true);
  expect(await look("h3")).toEqual(without.h3);
  await eventually(async () => expect(await Promise.all(["h1", "h2"].map(look))).toEqual(without.others));
  for (const host of ["h1", "h2"]) expect(await scene.plan(host)).toEqual([]);
  for (const running of pings) {
    const { sent, received } = await running.stop();
    expect(sent - received).toBe(0);
  }
});

test("and comes back to what its users declared", async () => {
  await enter();
  for (const [from, to] of [
    [app, bot],
    [greenBot, greenBase],
  ] as const)
    expect(await ping(scene.placeOf(from), to.ip)).toMatchObject({ received: 2, ttl: 62 });
});
