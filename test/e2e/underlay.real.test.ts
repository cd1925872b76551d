import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ping, startPing } from "../../src/lab/demo/ping.ts";
import { ip } from "../../src/model/address.ts";
import { eventually } from "../eventually.ts";
import { type Container, openScene, prefix, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
/** Of a network without encapsulation: its next hops are underlay addresses. */
const routed = [app, base].map((container) => ({ ...container, net: "gray", ip: container.ip.replace("42", "43") }));
const [routedApp, routedBase] = routed as [Container, Container];

let scene: Scene;
let right: Snapshot[];
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  await scene.put("networks/gray", { cidr: "10.43.0.0/16", backend: { type: "host-gw" } });
  for (const container of [app, base, ...routed]) await scene.enter(container);
  for (const net of ["blue", "gray"]) await scene.converged(net);
  right = await snapshots();
});
afterAll(() => scene?.lab.close());
afterEach(async () => {
  await eventually(async () => expect(await snapshots()).toEqual(right));
  for (const host of ["h1", "h2"]) expect(await scene.plan(host)).toEqual([]);
});

const snapshots = () => Promise.all(scene.lab.hosts.map(snapshotOf));

/** MTUs in bytes of every device that packets of the networks pass on a host, by place. */
async function mtusOf(host: string): Promise<Record<string, Record<string, number>>> {
  const seen = await snapshotOf(scene.lab.host(host));
  const places = Object.entries(seen).map(([place, { links }]) => {
    const ours = (links as { ifname: string; mtu: number }[]).filter(({ ifname }) => ifname !== "lo");
    return [place, Object.fromEntries(ours.map(({ ifname, mtu }) => [ifname.replace(/^skc.*/, "port"), mtu]))];
  });
  return Object.fromEntries(places);
}

/** What they have to be; VXLAN takes 50 bytes of each packet. */
function mtusFor(underlay: number, container: string): Awaited<ReturnType<typeof mtusOf>> {
  const inner = underlay - 50;
  return {
    host: { eth0: underlay, "sku-blue": underlay, "sku-gray": underlay },
    "skein-blue": { br0: inner, vx0: inner, port: inner, up0: underlay },
    "skein-gray": { br0: underlay, port: underlay, up0: underlay },
    [`blue-${container}`]: { eth0: inner },
    [`gray-${container}`]: { eth0: underlay },
  };
}

/** Whether a packet of so many bytes, headers included, gets there and back in one piece. */
async function fits(from: Container, to: Container, bytes: number): Promise<boolean> {
  const flags = ["-c", "1", "-W", "1", "-M", "do", "-s", String(bytes - 28)];
  return (await scene.placeOf(from).exec("ping", [...flags, to.ip])).code === 0;
}

test("the MTU of a host's underlay is followed by every device, down and up, and no packet is lost", async () => {
  const { underlay } = scene.lab.host("h2");
  const running = await startPing(scene.placeOf(app), base.ip);
  await underlay.setMtu(1400);
  await eventually(async () => expect(await mtusOf("h2")).toEqual(mtusFor(1400, "base")));
  expect(await mtusOf("h1")).toEqual(mtusFor(1500, "app"));
  for (const [from, to, most] of [
    [base, app, 1350],
    [routedBase, routedApp, 1400],
  ] as const) {
    expect(await fits(from, to, most)).toBe(true);
    expect(await fits(from, to, most + 1)).toBe(false);
  }
  await underlay.setMtu(1500);
  await eventually(async () => expect(await mtusOf("h2")).toEqual(mtusFor(1500, "base")));
  expect(await fits(base, app, 1450)).toBe(true);
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
});

test("jumbo frames are made use of", async () => {
  for (const { underlay } of scene.lab.hosts) await underlay.setMtu(9000);
  await eventually(async () => {
    expect(await mtusOf("h1")).toEqual(mtusFor(9000, "app"));
    expect(await mtusOf("h2")).toEqual(mtusFor(9000, "base"));
  });
  for (const [from, to, most] of [
    [app, base, 8950],
    [routedApp, routedBase, 9000],
  ] as const) {
    expect(await fits(from, to, most)).toBe(true);
    expect(await fits(from, to, most + 1)).toBe(false);
  }
  for (const { underlay } of scene.lab.hosts) await underlay.setMtu(1500);
});

test("an underlay address that changes is told to all, and every way to the host follows", async () => {
  const h2 = scene.lab.host("h2");
  const tap = await openTap(scene, "h2");
  const first = h2.underlay.address();
  for (const address of [ip("10.99.0.42"), first]) {
    const was = h2.underlay.address();
    await h2.underlay.setAddress(address);
    await tap.until("underlay", (event) => event.address === address && event.was?.address === was);
    await eventually(async () => expect(await hostRecord("h2")).toMatchObject({ address }));
    await eventually(expectTraffic);
    for (const net of ["blue", "gray"]) await scene.converged(net);

    const seen = await snapshots();
    expect(JSON.stringify(seen)).not.toMatch(new RegExp(`\\b${was}\\b`));
    const [{ host, "skein-blue": inside } = {}] = seen;
    expect(inside?.fdb).toContainEqual(expect.objectContaining({ dst: address }));
    expect(host?.routes).toContainEqual(expect.objectContaining({ dst: routedBase.ip, gateway: address }));
    expect(JSON.stringify(host?.nft)).toMatch(new RegExp(`\\b${address}\\b`));
  }
});

async function hostRecord(host: string): Promise<unknown> {
  return JSON.parse(await scene.lab.etcd.ctl(["get", "--print-value-only", `${prefix}/hosts/${host}`]));
}

/** Both ways between hosts, and out. */
async function expectTraffic(): Promise<void> {
  const { outside } = scene.lab;
  const ways = [
    [app, base.ip],
    [base, app.ip],
    [base, outside.address],
    [routedApp, routedBase.ip],
    [routedBase, routedApp.ip],
    [routedBase, outside.address],
  ] as const;
  const answers = await Promise.all(ways.map(([from, to]) => ping(scene.placeOf(from), to, 1)));
  expect(answers.map(({ received }) => received)).toEqual(ways.map(() => 1));
}
