import { afterAll, beforeAll, expect, test } from "vitest";
import { startCapture } from "../../src/lab/capture.ts";
import { ping, startPing, traceroute } from "../../src/lab/demo/ping.ts";
import type { Place } from "../../src/lab/place.ts";
import type { NetworkStatus, StatusAnswer } from "../../src/observe/answers.ts";
import { eventually } from "../eventually.ts";
import { addressOn, answering } from "./look.ts";
import { type Container, keyOf, openScene, type Scene, vxlan } from "./scene.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
/** On h3, which is on the wire by an address of another prefix. */
const far: Container = { net: "blue", host: "h3", name: "far", ip: "10.42.205.7" };
const offLink = "10.98.0.3";
/** Nobody has it. */
const nobody = "10.42.77.7";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 3 });
  await scene.start("h1", "h2");
  await scene.put("networks/blue", hostGateway());
  for (const container of [app, base]) await scene.enter(container);
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

function hostGateway(more: object = {}): object {
  return { cidr: "10.42.0.0/16", backend: { type: "host-gw" }, ...more };
}

async function statusOf(host: string, net: string): Promise<NetworkStatus | undefined> {
  const answer: StatusAnswer = JSON.parse(await scene.lab.host(host).output("skein", ["status", "--json"]));
  return answer.networks.find(({ network }) => network === net);
}

async function addressSeen(from: Place): Promise<string> {
  return from.output("curl", ["-sS", await scene.lab.outside.serve()]);
}

test("packets cross the wire as they are, with both containers' addresses, at the wire's own MTU", async () => {
  const wire = await scene.lab.capture("h2", "icmp or udp");
  expect(await ping(scene.placeOf(app), base.ip, 3)).toMatchObject({ received: 3, ttl: 60 });
  const packets = await wire.stop();
  expect(packets).toHaveLength(6);
  for (const packet of packets)
    expect(packet).toMatch(/10\.42\.64\.98 > 10\.42\.118\.43|10\.42\.118\.43 > 10\.42\.64\.98/);

  const fits = (size: number) =>
    scene.placeOf(app).exec("ping", ["-c", "1", "-W", "1", "-M", "do", "-s", String(size - 28), base.ip]);
  expect(await fits(1500)).toMatchObject({ code: 0 });
  expect((await fits(1501)).code).not.toBe(0);
});

test("the way leads through both agents and both hosts", async () => {
  const [near, there] = await Promise.all(["h1", "h2"].map(async (host) => (await statusOf(host, "blue"))?.member));
  const uplink = expect.stringMatching(/^169\.254\./);
  const underlay = scene.lab.host("h2").underlay.address();
  expect(await traceroute(scene.placeOf(app), base.ip)).toEqual([
    near?.address,
    uplink,
    underlay,
    there?.address,
    base.ip,
  ]);
});

test("the way out has the host's address", async () => {
  for (const container of [app, base]) {
    expect(await addressSeen(scene.placeOf(container))).toBe(scene.lab.host(container.host).underlay.address());
  }
});

test("what is sent to an address that nobody has does not leave the host", async () => {
  const wire = await scene.lab.capture("h1", "icmp");
  expect(await ping(scene.placeOf(app), nobody)).toMatchObject({ received: 0 });
  expect(await ping(scene.lab.host("h1"), nobody)).toMatchObject({ received: 0 });
  expect(await ping(scene.placeOf(app), base.ip, 1)).toMatchObject({ received: 1 });
  expect(await wire.stop()).toHaveLength(2);
});

test("a host of another prefix is refused by its address, on both sides, until it is on the segment", async () => {
  const h3 = scene.lab.host("h3");
  await h3.output("ip", ["address", "add", `${offLink}/24`, "dev", "eth0"]);
  const agent = await h3.agent(["--underlay", offLink]);
  await agent.start();
  await agent.ready();
  const others = await startPing(scene.placeOf(app), base.ip);
  const wire = await scene.lab.capture("h3", `icmp and host ${far.ip}`);
  await scene.enter(far);
  await scene.converged("blue");

  const reason = (host: string, address: string, prefix: string) =>
    `host ${host} at ${address} is not on-link: backend host-gw needs it within ${prefix} of eth0; use vxlan between segments`;
  const refusal = (host: string, address: string, prefix: string) => ({
    key: `hosts/${host}`,
    code: "PEER_OFF_LINK",
    reason: reason(host, address, prefix),
  });
  for (const host of ["h1", "h2"]) {
    expect((await statusOf(host, "blue"))?.skipped).toEqual([refusal("h3", offLink, "10.99.0.0/24")]);
  }
  expect((await statusOf("h3", "blue"))?.skipped).toEqual([
    refusal("h1", "10.99.0.1", "10.98.0.0/24"),
    refusal("h2", "10.99.0.2", "10.98.0.0/24"),
  ]);
  expect(await answering(scene.placeOf(app), [far.ip])).toEqual([]);
  expect(await answering(scene.placeOf(far), [app.ip, base.ip])).toEqual([]);
  expect(wire.lines).toEqual([]);

  await agent.stop();
  await scene.start("h3");
  await scene.converged("blue");
  await eventually(async () => expect(await ping(scene.placeOf(app), far.ip, 1)).toMatchObject({ received: 1 }));
  expect(await wire.stop()).not.toEqual([]);
  for (const host of ["h1", "h2", "h3"])
    expect(await statusOf(host, "blue")).toMatchObject({ skipped: [], failed: [] });
  const { sent, received } = await others.stop();
  expect(sent - received).toBe(0);
});

test("a second network whose range overlaps is refused, and the first goes on", async () => {
  const second: Container = { net: "late", host: "h1", name: "app", ip: "10.42.200.2" };
  const running = await startPing(scene.placeOf(app), base.ip);
  await scene.put("networks/late", hostGateway({ cidr: "10.42.128.0/17" }));
  await scene.enter(second);
  await scene.converged("late");
  const status = await statusOf("h1", "late");
  expect(status?.member).toBeUndefined();
  expect(status?.skipped).toContainEqual({
    key: "networks/late",
    code: "CIDR_TAKEN",
    reason:
      "cidr 10.42.128.0/17 overlaps that of networks/blue, which is older: networks of backend host-gw share the host's routes",
  });
  expect(await scene.placeOf(second).exec("ip", ["link", "show", "dev", "eth0"])).toMatchObject({ code: 1 });
  expect(await statusOf("h1", "blue")).toMatchObject({ skipped: [], failed: [] });

  // One that does not overlap is taken in beside it.
  await scene.transact(
    `put networks/late ${JSON.stringify(hostGateway({ cidr: "10.43.0.0/16" }))}`,
    `put ${keyOf(second)} {"name":"app","ip":"10.43.200.2","netns":"/run/netns/late-app"}`,
  );
  await scene.converged("late");
  await eventually(async () =>
    expect(await ping(scene.placeOf(second), scene.lab.outside.address, 1)).toMatchObject({ received: 1 }),
  );
  expect(await answering(scene.placeOf(second), [app.ip, base.ip])).toEqual([]);

  await scene.transact("del networks/late", `del ${keyOf(second)}`);
  const { sent, received } = await running.stop();
  expect(sent - received).toBe(0);
});

test("a vxlan network of the same range, with the same addresses, never meets it", async () => {
  const namesakes = [app, base].map((container): Container => ({ ...container, net: "green" }));
  const only: Container = { net: "green", host: "h2", name: "only", ip: "10.42.118.44" };
  await scene.put("networks/green", vxlan(1043));
  for (const container of [...namesakes, only]) await scene.enter(container);
  await scene.converged("green");
  const [greenApp, greenBase] = namesakes.map((container) => scene.placeOf(container)) as [Place, Place];

  const captures = await Promise.all(
    [scene.placeOf(app), greenApp].map((place) => startCapture(place, "eth0", "icmp")),
  );
  expect(await ping(scene.placeOf(base), app.ip, 2)).toMatchObject({ received: 2, ttl: 60 });
  expect(await ping(greenBase, app.ip, 3)).toMatchObject({ received: 3, ttl: 62 });
  const [blue, green] = await Promise.all(captures.map((capture) => capture.stop()));
  expect(blue).toHaveLength(4);
  expect(green).toHaveLength(6);

  // Each has an address the other has not.
  expect(await answering(greenApp, [only.ip, far.ip])).toEqual([only.ip]);
  expect(await answering(scene.placeOf(app), [only.ip, far.ip])).toEqual([far.ip]);
  for (const place of [scene.placeOf(app), greenApp]) expect(await addressSeen(place)).toBe("10.99.0.1");
  await scene.transact("del networks/green", ...[...namesakes, only].map((container) => `del ${keyOf(container)}`));
});

test("an internal network has no way out, though hosts route it", async () => {
  const inner: Container = { net: "inner", host: "h1", name: "app", ip: "10.44.64.98" };
  const other: Container = { net: "inner", host: "h2", name: "base", ip: "10.44.118.43" };
  await scene.put("networks/inner", hostGateway({ cidr: "10.44.0.0/16", internal: true }));
  for (const container of [inner, other]) await scene.enter(container);
  await scene.converged("inner");
  const place = scene.placeOf(inner);
  expect(await ping(place, other.ip)).toMatchObject({ received: 2, ttl: 60 });

  const { address } = scene.lab.outside;
  const hosts = ["h1", "h2"].map((host) => scene.lab.host(host).underlay.address());
  const end = await addressOn(scene.lab.host("h1"), "sku-inner");
  const others = [address, ...hosts, end, await addressOn(scene.lab.host("h1"), "sku-blue"), app.ip, base.ip];
  const wire = await scene.lab.capture("h1", `icmp and src net 10.44.0.0/16 or host ${address}`);
  const uplink = await startCapture(scene.lab.host("h1"), "sku-inner", "icmp");
  expect(await answering(place, others)).toEqual([]);

  // Not even by a route that somebody lays inside.
  await scene.lab.host("h1").in("skein-inner").output("ip", ["route", "add", "default", "via", end]);
  expect(await answering(place, others)).toEqual([]);
  for (const to of others) expect(await uplink.until(new RegExp(`${inner.ip} > ${to}: .* request`))).toBeTruthy();
  await uplink.stop();
  expect(await wire.stop()).toEqual([]);

  // Whom the host asks, answers.
  expect(await ping(scene.lab.host("h1"), inner.ip)).toMatchObject({ received: 2 });
});
