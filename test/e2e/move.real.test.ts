import { afterAll, beforeAll, expect, test } from "vitest";
import { ping, pingIntervalMs, startPing } from "../../src/lab/demo/ping.ts";
import type { Place } from "../../src/lab/place.ts";
import { eventually } from "../eventually.ts";
import { type Container, keyOf, openScene, recordOf, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
/** Moves from h1 to h2 and back; `app` is its sibling on one host, `base` on the other. */
const here: Container = { net: "blue", host: "h1", name: "bot", ip: "10.42.205.7" };
const there: Container = { ...here, host: "h2" };

/** What a move may cost at most, ms: 30 to 100 were seen, and a machine may be busy. */
const longestGap = 1500;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  for (const container of [app, base, here]) await scene.enter(container);
  await scene.lab.host("h2").container("blue-bot");
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

const put = (container: Container) => `put ${keyOf(container)} ${JSON.stringify(recordOf(container))}`;
const del = (container: Container) => `del ${keyOf(container)}`;
const snapshots = () => Promise.all(scene.lab.hosts.map(snapshotOf));

/** Longest silence in ms that pings from these places to the moved address saw while `act` moved it. */
async function gapsDuring(from: Place[], act: () => Promise<void>): Promise<number[]> {
  const pings = await Promise.all(from.map((place) => startPing(place, here.ip)));
  await act();
  const answers = await Promise.all(pings.map((running) => running.stop()));
  for (const { received } of answers) expect(received).toBeGreaterThan(0);
  return answers.map(({ sent, received }) => (sent - received) * pingIntervalMs);
}

/** The address answers to both others, and reaches both, where it is now. */
async function expectReachable(now: Container): Promise<void> {
  for (const other of [app, base]) {
    const ttl = other.host === now.host ? 64 : 62;
    expect(await ping(scene.placeOf(other), now.ip)).toMatchObject({ received: 2, ttl });
    expect(await ping(scene.placeOf(now), other.ip)).toMatchObject({ received: 2, ttl });
  }
}

test("an address moves in one transaction under pings from both hosts, and back, and leaves no trace", async () => {
  const before = await snapshots();
  await expectReachable(here);

  const gaps = await gapsDuring([scene.placeOf(app), scene.placeOf(base)], async () => {
    await scene.transact(put(there), del(here));
    await scene.converged("blue");
    await eventually(() => expectReachable(there));
  });
  for (const gap of gaps) expect(gap).toBeLessThan(longestGap);

  const [old] = await snapshots();
  expect(Object.keys(old?.["blue-bot"] ?? {})).not.toEqual([]);
  expect(JSON.stringify(old?.["blue-bot"])).not.toContain("eth0");
  expect(namesOf(old, here.ip)).toEqual([`dst ${here.ip} dev vx0`]);
  expect(JSON.stringify(old)).not.toContain("02:53:0a:2a:cd:07");

  const back = await gapsDuring([scene.placeOf(app), scene.placeOf(base)], async () => {
    await scene.transact(put(here), del(there));
    await scene.converged("blue");
    await eventually(() => expectReachable(here));
  });
  for (const gap of back) expect(gap).toBeLessThan(longestGap);
  expect(await snapshots()).toEqual(before);
});

test("a record that is written again, with more in it, costs its container no packet", async () => {
  const pings = await Promise.all([app, base].map((to) => startPing(scene.placeOf(here), to.ip)));
  await scene.put(keyOf(here), { ...recordOf(here), stack: "rocket-chat", health: "healthy" });
  await scene.converged("blue");
  for (const running of pings) {
    const { sent, received } = await running.stop();
    expect(sent - received).toBe(0);
  }
});

test("of two records that claim one address the older has it, undisturbed; the other waits and is named", async () => {
  const before = await snapshots();
  const tap = await openTap(scene, "h2");
  const pings = await Promise.all([app, base].map((from) => startPing(scene.placeOf(from), here.ip)));
  await scene.put(keyOf(there), recordOf(there));
  expect(await tap.until("skipped")).toMatchObject({ record: keyOf(there), code: "ADDRESS_TAKEN" });
  await scene.converged("blue");
  const { networks } = await scene.status("h2");
  expect(networks[0]?.skipped).toEqual([
    {
      key: keyOf(there),
      code: "ADDRESS_TAKEN",
      reason: `ip ${here.ip} belongs to ${keyOf(here)}, which is older`,
    },
  ]);
  expect(await snapshots()).toEqual(before);
  for (const running of pings) {
    const { sent, received } = await running.stop();
    expect(sent - received).toBe(0);
  }

  // The claim that waited has its turn when the older goes.
  const gaps = await gapsDuring([scene.placeOf(app), scene.placeOf(base)], async () => {
    await scene.remove(keyOf(here));
    await tap.until("admitted");
    await scene.converged("blue");
    await eventually(() => expectReachable(there));
  });
  for (const gap of gaps) expect(gap).toBeLessThan(longestGap);
  expect((await scene.status("h2")).networks[0]?.skipped).toEqual([]);
  await scene.transact(put(here), del(there));
  await scene.converged("blue");
  expect(await snapshots()).toEqual(before);
});

test("of two records on one host that claim one address the older has it, too", async () => {
  const before = await snapshots();
  const double: Container = { ...here, name: "double" };
  await scene.enter(double);
  await scene.converged("blue");
  expect((await scene.status("h1")).networks[0]?.skipped).toMatchObject([
    { key: keyOf(double), code: "ADDRESS_TAKEN" },
  ]);
  await expectReachable(here);
  await scene.remove(keyOf(double));
  await scene.lab.host("h1").removeContainer("blue-double");
  await scene.converged("blue");
  expect(await snapshots()).toEqual(before);
});

test("a container that takes another address is reached there, and no more at the old one", async () => {
  const renumbered = { ...here, ip: "10.42.205.8" };
  await scene.put(keyOf(here), recordOf(renumbered));
  await scene.converged("blue");
  await expectReachable(renumbered);
  for (const from of [app, base]) expect(await ping(scene.placeOf(from), here.ip, 1)).toMatchObject({ received: 0 });
  expect(JSON.stringify(await snapshots())).not.toContain(`"${here.ip}"`);
  await scene.put(keyOf(here), recordOf(here));
  await scene.converged("blue");
  await expectReachable(here);
});

/** Where `ip`'s output of the host's namespaces names an address. */
function namesOf(snapshot: Snapshot | undefined, address: string): string[] {
  const rows = Object.values(snapshot ?? {}).flatMap((sorts) => Object.values(sorts).flat());
  return rows
    .filter((row) => JSON.stringify(row).includes(`"${address}`))
    .map((row) => {
      const { dst, dev } = row as { dst?: string; dev?: string };
      return dst && dev ? `dst ${dst} dev ${dev}` : JSON.stringify(row);
    });
}
