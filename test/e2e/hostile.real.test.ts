import { Etcd3 } from "etcd3";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ping, startPing } from "../../src/lab/demo/ping.ts";
import type { StatusAnswer } from "../../src/observe/answers.ts";
import { oneLine } from "../../src/observe/one-line.ts";
import { eventually } from "../eventually.ts";
import { app, base, beside, bot, garbage, impossible, inBlue, type Record } from "./hostile-records.ts";
import { type Container, keyOf, openScene, prefix, recordOf, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";

let scene: Scene;
let etcd: Etcd3;
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  etcd = new Etcd3({ hosts: scene.lab.etcd.socket });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  await scene.put("networks/red", vxlan(1043, { cidr: "10.43.0.0/16" }));
  for (const container of [app, base, bot]) await scene.enter(container);
  await scene.enter({ net: "red", host: "h2", name: "web", ip: "10.43.0.9" });
  await scene.converged("blue");
  await scene.converged("red");
});
afterAll(async () => {
  etcd?.close();
  await scene?.lab.close();
});

const snapshots = () => Promise.all(scene.lab.hosts.map(snapshotOf));
/** As a script reads it. */
const statusOf = async (host: string): Promise<StatusAnswer> =>
  JSON.parse(await scene.lab.host(host).output("skein", ["status", "--json"]));

/** Until the test ends, however it ends. */
async function putAll(records: readonly Record[]): Promise<void> {
  onTestFinished(() => removeAll(records));
  for (const [key, value] of records) {
    const bytes = typeof value === "string" || Buffer.isBuffer(value) ? value : JSON.stringify(value);
    await etcd.put(`${prefix}/${key}`).value(bytes);
  }
}

async function removeAll(records: readonly Record[]): Promise<void> {
  for (const [key] of records) await etcd.delete().key(`${prefix}/${key}`);
}

/** Each reaches each, and the outside. */
async function expectTraffic(): Promise<void> {
  for (const [from, to] of [
    [app, base],
    [base, app],
    [base, bot],
  ] as const)
    expect(await ping(scene.placeOf(from), to.ip, 1)).toMatchObject({ received: 1 });
  expect(await ping(scene.placeOf(base), scene.lab.outside.address, 1)).toMatchObject({ received: 1 });
}

test("garbage is rejected at its key, with a reason that is safe to print, and touches nothing", async () => {
  const before = await snapshots();
  const running = await startPing(scene.placeOf(base), app.ip);
  await putAll(garbage);
  await scene.converged("blue");
  for (const host of ["h1", "h2"]) {
    const { rejected } = await statusOf(host);
    expect(rejected.map(({ key }) => key).sort()).toEqual(garbage.map(([key]) => oneLine(key)).sort());
    for (const { key, reason, code } of rejected) {
      expect({ key, code }).toEqual({ key, code: expect.stringMatching(/^(KEY|SIZE|JSON|SHAPE)$/) });
      expect(reason).toMatch(/^Cannot (place key|read record): [\x20-\x7e]+$/);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: just these must not reach a terminal
    expect(await scene.lab.host(host).output("skein", ["status"])).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  }
  expect(await snapshots()).toEqual(before);
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
  await removeAll(garbage);
  await scene.converged("blue");
  expect((await statusOf("h2")).rejected).toEqual([]);
});

test("what cannot be is refused at its key, and what was there first is left in peace", async () => {
  await scene.lab.host("h2").container("blue-double");
  const before = await snapshots();
  const running = await startPing(scene.placeOf(base), app.ip);
  await putAll(beside);
  await putAll(impossible.map(([key, value]) => [key, value]));
  await eventually(async () => {
    const refused = (await statusOf("h2")).networks.flatMap(({ skipped }) => skipped);
    for (const [key, , code] of impossible)
      expect(refused).toContainEqual({ key, code, reason: expect.stringMatching(/^[\x20-\x7e]+$/) });
    expect(refused).toHaveLength(impossible.length);
  });
  await expectTraffic();
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
  // Which namespaces may be attached is for their own host to judge: others have routes to these three.
  const [{ "skein-blue": _, ...h1 }, h2] = (await snapshots()) as [Snapshot, Snapshot];
  expect(before[0]).toMatchObject(h1);
  expect(h2).toEqual(before[1]);

  await removeAll([...impossible.map(([key, value]): Record => [key, value]), ...beside]);
  await scene.lab.host("h2").removeContainer("blue-double");
  await scene.converged("blue");
  expect((await statusOf("h2")).networks.flatMap(({ skipped }) => skipped)).toEqual([]);
});

/** Paths that lead where no container is, and how they are made in the host's /run/netns. */
const tricks: readonly (readonly [name: string, command: string])[] = [
  ["link-to-own", "ln -s /proc/self/ns/net link-to-own"],
  ["link-to-init", "ln -s /proc/1/ns/net link-to-init"],
  ["mount-of-own", "touch mount-of-own; mount --bind /proc/self/ns/net mount-of-own"],
  ["link-to-mount", "ln -s mount-of-own link-to-mount"],
  ["link-to-network", "ln -s skein-red link-to-network"],
  ["mount-of-network", "touch mount-of-network; mount --bind skein-red mount-of-network"],
  ["mount-of-uts", "touch mount-of-uts; mount --bind /proc/self/ns/uts mount-of-uts"],
  ["file", "echo text > file"],
  ["empty", "touch empty"],
  ["directory", "mkdir directory"],
  // Not beside the namespaces: \`ip netns list\` opens what it finds there, and would wait for a writer.
  ["directory/fifo", "mkfifo directory/fifo"],
  ["loop", "ln -s loop loop"],
  ["dangling", "ln -s nowhere dangling"],
  ["link-out", "ln -s /etc/hostname link-out"],
];
const elsewhere = ["/proc/1/ns/net", "/proc/self/ns/net", "/etc/hostname", "/run/netns"];

test("a path that leads to no container's namespace is never attached, whatever it leads to", async () => {
  const host = scene.lab.host("h2");
  for (const [, command] of tricks) await host.output("sh", ["-ec", command], { cwd: "/run/netns" });
  const before = await untouchable();
  const all = await snapshots();
  const running = await startPing(scene.placeOf(base), app.ip);
  const paths = [...tricks.map(([name]) => `/run/netns/${name}`), ...elsewhere];
  const records = paths.map(
    (netns, i): Record => [inBlue(`trick-${i}`), { name: "x", ip: `10.42.7.${i + 10}`, netns }],
  );
  await putAll(records);
  await eventually(async () => {
    const failed = (await statusOf("h2")).networks.flatMap((network) => network.failed);
    for (const path of paths) {
      const why = failed.filter(({ row, code }) => row.includes(path) && /^NETNS_(FORBIDDEN|MISSING)$/.test(code));
      expect({ path, failed: why.length > 0 }).toEqual({ path, failed: true });
    }
  });
  await expectTraffic();
  expect(await untouchable()).toEqual(before);

  // Whoever comes in peace is served all the same.
  const late: Container = { net: "blue", host: "h2", name: "late", ip: "10.42.205.9" };
  await scene.enter(late);
  await eventually(async () => expect(await ping(scene.placeOf(late), app.ip, 1)).toMatchObject({ received: 1 }));
  await scene.remove(keyOf(late));
  await host.removeContainer("blue-late");

  await removeAll(records);
  await scene.converged("blue");
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
  expect(await snapshots()).toEqual(all);

  /** The host's own namespace, the other network's, and the containers'. */
  async function untouchable(): Promise<Snapshot> {
    const { "skein-blue": _, ...rest } = await snapshotOf(host);
    return rest;
  }
});

test("a second name of a container's namespace is not attached beside the first, nor after a restart", async () => {
  const host = scene.lab.host("h2");
  await host.output("ln", ["-s", "blue-base", "alias"], { cwd: "/run/netns" });
  await host.output("sh", ["-ec", "touch also; mount --bind blue-base also"], { cwd: "/run/netns" });
  const before = await snapshotOf(host);
  const running = await startPing(scene.placeOf(base), app.ip);
  const records = ["alias", "also"].map(
    (name, i): Record => [inBlue(name), { name, ip: `10.42.7.${i + 10}`, netns: `/run/netns/${name}` }],
  );
  await putAll(records);
  const expectRefusal = async () => {
    const taken = (await statusOf("h2")).networks.flatMap(({ failed }) =>
      failed.filter(({ code }) => code === "NETNS_TAKEN"),
    );
    for (const name of ["alias", "also"]) expect(taken.map(({ row }) => row).join()).toContain(`/run/netns/${name}`);
  };
  await eventually(expectRefusal);
  await expectTraffic();
  await scene.agent("h2").kill();
  await scene.start("h2");
  await eventually(expectRefusal);
  await expectTraffic();
  expect((await snapshotOf(host))["blue-base"]).toEqual(before["blue-base"]);
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);

  await removeAll(records);
  await scene.converged("blue");
  expect(await snapshotOf(host)).toEqual(before);
  // A name that is changed is no second name.
  await scene.put(keyOf(base), { ...recordOf(base), netns: "/run/netns/also" });
  await eventually(expectTraffic);
  await scene.converged("blue");
});
