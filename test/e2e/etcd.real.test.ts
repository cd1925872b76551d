import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PingResult, ping, startPing } from "../../src/lab/demo/ping.ts";
import { eventually } from "../eventually.ts";
import { startMonitor } from "./monitor.ts";
import { type Container, keyOf, openScene, prefix, recordOf, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf, withoutSysctls } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
const bot: Container = { net: "blue", host: "h2", name: "bot", ip: "10.42.205.7" };

let scene: Scene;
/** Before anything was declared, but for the containers' namespaces. */
let bare: Snapshot[];
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  for (const { host, name } of [app, base, bot]) await scene.lab.host(host).container(`blue-${name}`);
  await scene.lab.host("h2").container("red-app");
  bare = await snapshots();
  await declare();
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

const h2 = () => scene.lab.host("h2");
const snapshots = () => Promise.all(scene.lab.hosts.map(snapshotOf));
const barely = async () => (await snapshots()).map(withoutSysctls);
const declare = () =>
  scene.transact(
    `put networks/blue ${JSON.stringify(vxlan(1042))}`,
    ...[app, base, bot].map((each) => `put ${keyOf(each)} ${JSON.stringify(recordOf(each))}`),
  );

/** What `act` costs those who ping one another across hosts and on one. */
async function lossDuring(act: () => Promise<void>): Promise<number> {
  const pairs = [
    [app, base],
    [base, app],
    [base, bot],
  ] as const;
  const running = await Promise.all(pairs.map(([from, to]) => startPing(scene.placeOf(from), to.ip)));
  await act();
  const answers: PingResult[] = await Promise.all(running.map((one) => one.stop()));
  return answers.reduce((lost, { sent, received }) => lost + sent - received, 0);
}

/** Nothing is written in any namespace of any host while `act` runs, and all is as before. */
async function expectUntouched(act: () => Promise<void>): Promise<void> {
  const before = await snapshots();
  const monitors = await Promise.all(scene.lab.hosts.map(startMonitor));
  expect(await lossDuring(act)).toBe(0);
  expect((await Promise.all(monitors.map((monitor) => monitor.stop()))).flat()).toEqual([]);
  expect(await snapshots()).toEqual(before);
}

async function expectRepair(): Promise<void> {
  const inside = h2().in("skein-blue");
  const shown = () => inside.output("ip", ["route", "show", app.ip]);
  const before = await shown();
  await inside.output("ip", ["route", "del", app.ip]);
  await eventually(async () => expect(await shown()).toBe(before));
}

async function expectNewContainer(): Promise<void> {
  const late: Container = { net: "blue", host: "h2", name: "late", ip: "10.42.205.9" };
  const place = await scene.enter(late);
  await scene.converged("blue");
  expect(await ping(place, app.ip)).toMatchObject({ received: 2 });
  await scene.remove(keyOf(late));
  await h2().removeContainer("blue-late");
  await scene.converged("blue");
}

test("an etcd that hangs costs no packet, nor does its waking", async () => {
  expect(
    await lossDuring(async () => {
      await scene.lab.etcd.pause();
      expect(await scene.plan("h2")).toEqual([]);
      scene.lab.etcd.resume();
      await expectNewContainer();
    }),
  ).toBe(0);
});

test("repairs need no etcd, hanging or gone", async () => {
  await scene.lab.etcd.pause();
  await expectRepair();
  await scene.lab.etcd.kill();
  await expectRepair();
  await scene.lab.etcd.start();
  await expectNewContainer();
});

test("an etcd that is killed and comes back touches no row; status says since when it is away", async () => {
  const tap = await openTap(scene, "h2");
  await expectUntouched(async () => {
    await scene.lab.etcd.kill();
    await tap.until("stale");
    expect((await scene.status("h2")).etcd).toMatchObject({
      staleSince: expect.stringMatching(/^20..-/),
      why: expect.stringContaining("etcd"),
    });
    await scene.lab.etcd.start();
    await tap.until("fresh");
    await scene.converged("blue");
  });
  expect((await scene.status("h2")).etcd).not.toHaveProperty("staleSince");
});

test("an agent started while etcd is away leaves every row, and adopts them when it comes back", async () => {
  await expectUntouched(async () => {
    await scene.agent("h2").kill();
    await scene.lab.etcd.kill();
    await scene.agent("h2").start();
    await eventually(async () => expect(await scene.status("h2")).toMatchObject({ ready: false }));
    expect(await scene.agent("h1").pid()).toBeDefined();
    await scene.lab.etcd.start();
    await scene.agent("h2").ready();
    await scene.converged("blue");
  });
});

test("changes that etcd has compacted before the agent saw them are found by listing again", async () => {
  const before = await snapshotOf(h2());
  const late: Container = { net: "blue", host: "h2", name: "late", ip: "10.42.205.9" };
  const agent = scene.agent("h2").pid() as number;
  await h2().container("blue-late");
  process.kill(agent, "SIGSTOP");
  await scene.transact(`put ${keyOf(late)} ${JSON.stringify(recordOf(late))}`, `del ${keyOf(bot)}`);
  // The connection has to go too, or what etcd has sent already would come after all.
  await scene.lab.etcd.kill();
  await scene.lab.etcd.start();
  await compact();
  process.kill(agent, "SIGCONT");
  await scene.converged("blue");
  expect(await ping(scene.placeOf(late), app.ip)).toMatchObject({ received: 2 });
  expect(await scene.placeOf(bot).exec("ip", ["link", "show", "dev", "eth0"])).toMatchObject({ code: 1 });
  await scene.transact(`del ${keyOf(late)}`, `put ${keyOf(bot)} ${JSON.stringify(recordOf(bot))}`);
  await h2().removeContainer("blue-late");
  await scene.converged("blue");
  expect(await snapshotOf(h2())).toEqual(before);
});

test("an etcd that has lost all its data takes no row away; declared again, all is right without a write", async () => {
  const taps = await Promise.all(["h1", "h2"].map((host) => openTap(scene, host)));
  await expectUntouched(async () => {
    await wipe();
    for (const tap of taps) await tap.until("braked");
    for (const host of ["h1", "h2"]) {
      const { brake, etcd } = await scene.status(host);
      expect(brake).toMatchObject({ removals: expect.any(Number), rows: expect.any(Number) });
      expect(brake?.removals).toBe(brake?.rows);
      expect(etcd).not.toHaveProperty("staleSince");
      expect(await scene.plan(host)).toContain("remove netns skein-blue");
    }
    const status = await h2().output("skein", ["status"]);
    expect(status).toMatch(/brake .*holding back \d+ of \d+ rows.*skein release/);
    await eventually(async () => expect(await keysBelow("hosts/")).toHaveLength(2));

    await declare();
    await eventually(async () => expect(await scene.status("h1")).not.toHaveProperty("brake"));
    await eventually(async () => expect(await scene.status("h2")).not.toHaveProperty("brake"));
    await scene.converged("blue");
  });
  for (const host of ["h1", "h2"]) expect(await scene.plan(host)).toEqual([]);
});

test("an etcd put back to an older state is followed there", async () => {
  const data = join(scene.lab.directory, "etcd", "data");
  const backup = join(scene.lab.directory, "backup");
  await scene.lab.etcd.stop();
  await cp(data, backup, { recursive: true });
  await scene.lab.etcd.start();
  await scene.converged("blue");
  const before = await snapshots();
  const later: Container = { net: "blue", host: "h2", name: "later", ip: "10.42.205.10" };
  await scene.enter(later);
  await scene.converged("blue");

  await scene.lab.etcd.kill();
  await rm(data, { recursive: true });
  await cp(backup, data, { recursive: true });
  await scene.lab.etcd.start();
  await scene.converged("blue");
  await h2().removeContainer("blue-later");
  await eventually(async () => expect(await snapshots()).toEqual(before));
});

test("with all data lost, what is new is built all the same, and release lets the old go", async () => {
  const red: Container = { net: "red", host: "h2", name: "app", ip: "10.43.0.9" };
  await wipe();
  await eventually(async () => expect(await scene.status("h2")).toHaveProperty("brake"));
  await eventually(async () => expect(await scene.status("h1")).toHaveProperty("brake"));
  expect(await ping(scene.placeOf(base), app.ip)).toMatchObject({ received: 2 });
  await scene.put("networks/red", vxlan(1043, { cidr: "10.43.0.0/16" }));
  await scene.put(keyOf(red), recordOf(red));
  await eventually(async () =>
    expect(await ping(scene.placeOf(red), scene.lab.outside.address, 1)).toMatchObject({ received: 1 }),
  );
  expect(await ping(scene.placeOf(base), app.ip)).toMatchObject({ received: 2 });

  for (const host of ["h1", "h2"]) {
    expect(await scene.lab.host(host).output("skein", ["release"])).toMatch(/Released: \d+ rows to remove/);
  }
  await eventually(async () =>
    expect(withoutSysctls(await snapshotOf(scene.lab.host("h1")))).toEqual(withoutSysctls(bare[0]!)),
  );
  expect(await ping(scene.placeOf(red), scene.lab.outside.address)).toMatchObject({ received: 2 });
  await scene.remove("networks/red");
  await scene.remove("keyspaces/red", "--prefix");
  await eventually(async () => expect(await barely()).toEqual(bare.map(withoutSysctls)));
  await declare();
  await scene.converged("blue");
});

test("a keyspace that is deleted on purpose goes, without a brake", async () => {
  const taps = await Promise.all(["h1", "h2"].map((host) => openTap(scene, host)));
  await scene.remove("keyspaces/blue/", "--prefix");
  await eventually(async () => expect(await barely()).toEqual(bare.map(withoutSysctls)));
  for (const tap of taps) expect(tap.of("braked")).toEqual([]);
  await declare();
  await scene.converged("blue");
  expect(await ping(scene.placeOf(base), app.ip)).toMatchObject({ received: 2 });
});

async function wipe(): Promise<void> {
  await scene.lab.etcd.kill();
  await rm(join(scene.lab.directory, "etcd", "data"), { recursive: true });
  await scene.lab.etcd.start();
}

async function compact(): Promise<void> {
  const { header } = JSON.parse(await scene.lab.etcd.ctl(["get", "-w", "json", prefix]));
  await scene.lab.etcd.ctl(["compact", String(header.revision)]);
}

async function keysBelow(area: string): Promise<string[]> {
  const keys = await scene.lab.etcd.ctl(["get", "--prefix", "--keys-only", `${prefix}/${area}`]);
  return keys.split("\n").filter((key) => key !== "" && !key.endsWith(".beacon"));
}
