import { watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../src/cli/client.ts";
import { ping, startPing } from "../../src/lab/demo/ping.ts";
import type { StatusAnswer } from "../../src/observe/answers.ts";
import { eventually } from "../eventually.ts";
import { startMonitor } from "./monitor.ts";
import { type Container, endWithTest, keyOf, openScene, prefix, recordOf, type Scene, vxlan } from "./scene.ts";
import { snapshotOf, withoutSysctls } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
/** On the host whose agent dies. */
const crowd = ["base", "bot", "cache", "web"].map(
  (name, i): Container => ({ net: "blue", host: "h2", name, ip: `10.42.118.${40 + i}` }),
);

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 3, args: ["--linger", "0"] });
  await scene.start("h1", "h2");
  await scene.put("networks/blue", vxlan(1042));
  await scene.enter(app);
  for (const container of crowd) await scene.enter(container);
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

const h2 = () => scene.lab.host("h2");
const down = () => scene.transact(...crowd.map((container) => `del ${keyOf(container)}`));
const up = () => scene.transact(...crowd.map((each) => `put ${keyOf(each)} ${JSON.stringify(recordOf(each))}`));

describe("an agent that starts where all is right", () => {
  test.each(["SIGKILL", "SIGTERM"] as const)("after %s: writes nothing, and no packet is lost", async (signal) => {
    const before = await snapshotOf(h2());
    const pings = await Promise.all([
      startPing(scene.placeOf(app), crowd[0]!.ip),
      startPing(scene.placeOf(crowd[0]!), app.ip),
      startPing(scene.placeOf(crowd[0]!), crowd[1]!.ip),
    ]);
    const monitor = await startMonitor(h2());
    await scene.agent("h2").kill(signal);
    expect(await snapshotOf(h2())).toEqual(before);
    await scene.start("h2");
    await scene.converged("blue");
    expect(await monitor.stop()).toEqual([]);
    expect(await snapshotOf(h2())).toEqual(before);
    for (const running of pings) {
      const { sent, received } = await running.stop();
      expect(sent).toBeGreaterThan(10);
      expect(sent - received).toBe(0);
    }
  });

  test("a monitor sees what is written", async () => {
    const monitor = await startMonitor(h2());
    await h2().in("skein-blue").output("ip", ["route", "del", app.ip, "dev", "vx0"]);
    await h2().output("nft", ["flush chain inet skein vxlan-blue"]);
    await eventually(async () => expect(await scene.plan("h2")).toEqual([]));
    const lines = (await monitor.stop()).join("\n");
    expect(lines).toMatch(/skein-blue: Deleted 10\.42\.64\.98 .*proto 83/);
    expect(lines).toMatch(/host: add rule inet skein vxlan-blue/);
  });
});

test("an agent that starts mends what was broken, and does what was declared, while there was none", async () => {
  const before = await snapshotOf(h2());
  const [first, gone] = [crowd[0]!, crowd[3]!];
  await scene.agent("h2").kill();
  await scene.remove(keyOf(gone));
  const late: Container = { net: "blue", host: "h2", name: "late", ip: "10.42.118.50" };
  await scene.enter(late);
  const harms = [
    ["skein-blue", `ip route del ${app.ip}; ip route add 10.42.99.0/24 via 10.42.0.99 dev vx0 onlink proto 83`],
    ["skein-blue", "ip link set br0 down; ip link set vx0 mtu 1300; nft flush ruleset"],
    ["blue-base", "ip link set eth0 down; ip addr flush dev eth0"],
    ["blue-bot", "ip link del eth0"],
  ] as const;
  for (const [where, command] of harms) await h2().in(where).output("sh", ["-ec", command]);
  await h2().output("nft", ["flush ruleset"]);
  await scene.start("h2");
  await scene.converged("blue");
  expect(await ping(scene.placeOf(late), app.ip)).toMatchObject({ received: 2, ttl: 62 });
  expect(await ping(scene.placeOf(first), crowd[1]!.ip)).toMatchObject({ received: 2, ttl: 64 });
  expect(JSON.stringify(await snapshotOf(h2()))).not.toContain(`"${gone.ip}"`);

  await scene.remove(keyOf(late));
  await h2().removeContainer("blue-late");
  await scene.put(keyOf(gone), recordOf(gone));
  await scene.converged("blue");
  expect(await snapshotOf(h2())).toEqual(before);
});

/** When a kill comes, in ms after the first sign of what it is to cut short. */
const moments = [0, 2, 4, 6, 9, 13, 18, 25];

test("killed at any moment of building a network or taking it down, the next agent completes it all the same", async () => {
  const built = await snapshotOf(h2());
  await down();
  await eventually(async () => expect(await readdir(namespaces())).not.toContain("skein-blue"));
  await eventually(async () => expect(await membersOf("blue")).toEqual(["h1"]));
  const bare = withoutSysctls(await snapshotOf(h2()));
  const partial = { built: 0, bare: 0 };

  for (const moment of moments) {
    const begun = appears("skein-blue");
    await up();
    await begun;
    await pause(moment);
    await scene.agent("h2").kill();
    if (!isSame(await snapshotOf(h2()), built)) partial.built++;
    await scene.start("h2");
    await eventually(async () => expect(await snapshotOf(h2())).toEqual(built));

    const removed = (await openTap(scene, "h2")).until("removed");
    await down();
    await removed;
    await pause(moment);
    await scene.agent("h2").kill();
    if (!isSame(withoutSysctls(await snapshotOf(h2())), bare)) partial.bare++;
    await scene.start("h2");
    // Deletions that nobody saw may be losses: where most of all rows would go, somebody has to say so.
    await ask(scene.agent("h2").socket, "POST /v1/release");
    await eventually(async () => expect(withoutSysctls(await snapshotOf(h2()))).toEqual(bare));
    await eventually(async () => expect(await membersOf("blue")).toEqual(["h1"]));
  }
  // Else no kill came while something was under way, and nothing was tried.
  expect(partial.built).toBeGreaterThan(2);
  expect(partial.bare).toBeGreaterThan(2);
  await up();
  await scene.converged("blue");
  expect(await snapshotOf(h2())).toEqual(built);
}, 300_000);

test("of two agents with one host name, the second says so and writes no record, whatever it is asked", async () => {
  const before = await recordsOf();
  const statuses = scene.lab.host("h3").spawn("etcdctl", ["watch", "--prefix", `${prefix}/status/blue/h1`]);
  endWithTest(statuses);
  let said = "";
  statuses.stdout.on("data", (text) => {
    said += text;
  });
  const impostor = await scene.lab.host("h3").agent(["--host", "h1"]);
  await impostor.start();
  await impostor.ready();
  await eventually(async () => expect(await impostor.log()).toMatch(/another agent holds/));
  // Of its own it has something to tell: the container's namespace is not on its host.
  const { networks } = await ask<StatusAnswer>(impostor.socket, "GET /v1/status");
  expect(networks[0]?.failed).not.toEqual([]);
  await scene.put("networks/green", vxlan(1043));
  await scene.put(keyOf({ ...app, net: "green" }), { name: "app", ip: app.ip });
  await scene.converged("green", "h2");
  await scene.converged("blue", "h2");
  await scene.remove("networks/green");
  await scene.remove("keyspaces/green/containers", "--prefix");
  await eventually(async () => expect(await membersOf("green")).toEqual([]));
  expect(said).toContain('"failedCount":0');
  expect(said).not.toMatch(/NETNS_MISSING|"failedCount":[1-9]/);

  await ask(impostor.socket, "POST /v1/leave");
  await expect(impostor.ready()).rejects.toMatchObject({ code: "DAEMON_ENDED" });
  expect(await recordsOf()).toEqual(before);
  expect(await scene.lab.etcd.ctl(["get", "--keys-only", `${prefix}/status/blue/h1`])).toContain("h1");
});

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function namespaces(): string {
  return `/proc/${h2().pid}/root/run/netns`;
}

/** Resolves when the network's namespace is being made. */
async function appears(name: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(namespaces(), (_, file) => {
      if (file !== name) return;
      watcher.close();
      resolve();
    });
  });
}

async function membersOf(net: string): Promise<string[]> {
  const keys = await scene.lab.etcd.ctl(["get", "--prefix", "--keys-only", `${prefix}/keyspaces/${net}/members/`]);
  return keys.split("\n").flatMap((key) => key.split("/").at(-1) || []);
}

/** Every record that says where somebody is; statuses and beacons come and go. */
async function recordsOf(): Promise<string[]> {
  const text = await scene.lab.etcd.ctl(["get", "--prefix", prefix]);
  const lines = text.trim().split("\n");
  const records = lines.flatMap((key, i) => (i % 2 === 0 ? [[key, lines[i + 1]] as const] : []));
  return records
    .filter(([key]) => !/\/status\/|beacon|\/addresses\/|\/leaders\//.test(key))
    .map(([key, value]) => `${key} = ${value}`);
}
