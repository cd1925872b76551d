import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCapture } from "../../src/lab/capture.ts";
import { ping, startPing } from "../../src/lab/demo/ping.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Place } from "../../src/lab/place.ts";
import { ipBatch } from "../../src/lab/wire.ts";
import { ip, macOf } from "../../src/model/address.ts";
import { eventually } from "../eventually.ts";
import { arpReply, broadcast, type Frame, routerAdvertisement, sendFrames, snap, tagged, udp } from "./frame.ts";
import { addressOn, answering } from "./look.ts";
import { type Container, endWithTest, openScene, type Scene, vxlan } from "./scene.ts";
import { snapshotOf } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
/** The victim: what it sees decides. */
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
/** On the victim's bridge. */
const bot: Container = { net: "blue", host: "h2", name: "bot", ip: "10.42.205.7" };
/** Containers of another network, beside a peer of the victim's host and on it. */
const mole: Container = { net: "green", host: "h1", name: "mole", ip: "10.43.64.98" };
const mouse: Container = { net: "green", host: "h2", name: "mouse", ip: "10.43.118.43" };
const gateway = "10.42.0.1";
const strange = "02:00:00:00:00:99";

let scene: Scene;
/** MACs of the tunnels' ends in blue. */
let vteps: Record<string, string>;
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  await scene.put("networks/green", vxlan(1043, { cidr: "10.43.0.0/16" }));
  for (const container of [app, base, bot, mole, mouse]) await scene.enter(container);
  await scene.converged("blue");
  await scene.converged("green");
  vteps = Object.fromEntries(
    await Promise.all(["h1", "h2"].map(async (host) => [host, (await memberOf(host, "blue"))?.mac])),
  );
});
afterAll(() => scene?.lab.close());

async function memberOf(host: string, net: string) {
  return (await scene.status(host)).networks.find(({ network }) => network === net)?.member;
}

const victim = () => scene.lab.host("h2").underlay.address();

interface Tunnel {
  place: Place;
  /** Outer addresses. */
  local: string;
  remote: string;
  vni: number;
  /** Inner source: its pings are known by it. */
  src: string;
}

/** A tunnel of somebody's own that leads to the victim, with everything in its packets as a peer would have it. */
async function digTunnel(name: string, { place, local, remote, vni, src }: Tunnel): Promise<void> {
  await ipBatch(place, [
    `link add ${name} type vxlan id ${vni} local ${local} remote ${remote} dstport 4789`,
    `link set ${name} address ${vteps.h1} up`,
    `address add ${src}/32 dev ${name}`,
    `route add ${base.ip}/32 dev ${name} src ${src}`,
    `neighbour add ${base.ip} lladdr ${vteps.h2} dev ${name}`,
  ]);
}

const requests = (src: string) => new RegExp(`${src} > ${base.ip}: ICMP echo request`);
const matching = (src: string) => expect.stringMatching(requests(src));

/** What the victim sees, until it sees what its peer sends now. */
async function seenWhile(act: () => Promise<unknown>): Promise<readonly string[]> {
  const capture = await startCapture(scene.placeOf(base), "eth0");
  await act();
  await ping(scene.placeOf(app), base.ip, 1);
  await capture.until(new RegExp(`${app.ip} > ${base.ip}: ICMP echo request`));
  return capture.stop();
}

describe("VXLAN", () => {
  test("of the right VNI is heard from peers only, and at the underlay address only", async () => {
    const { outside, wire } = scene.lab;
    const local = wire.segment.gateway;
    const second = "10.99.0.22";
    const tunnel = { place: outside, local, vni: 1042 };
    await scene.lab.host("h2").output("ip", ["address", "add", `${second}/24`, "dev", "eth0"]);
    await digTunnel("evil0", { ...tunnel, remote: victim(), src: "10.42.66.1" });
    const arriving = await scene.lab.capture("h2", `udp port 4789 and src ${local}`);
    expect(await seenWhile(() => ping(outside, base.ip, 2))).not.toContainEqual(matching("10.42.66.1"));
    await arriving.until(requests("10.42.66.1"));

    // The same packets, of a member.
    const tap = await openTap(scene, "h2");
    await scene.put("keyspaces/blue/members/h9", { address: "10.42.99.1", mac: "0e:53:0a:2a:63:01" });
    await scene.put("hosts/h9", { address: local });
    await tap.until("added", isElement);
    expect(await seenWhile(() => ping(outside, base.ip, 1))).toContainEqual(matching("10.42.66.1"));

    await outside.output("ip", ["link", "del", "evil0"]);
    await digTunnel("evil0", { ...tunnel, remote: second, src: "10.42.66.2" });
    expect(await seenWhile(() => ping(outside, base.ip, 2))).not.toContainEqual(matching("10.42.66.2"));
    await arriving.until(requests("10.42.66.2"));
    await arriving.stop();

    // And of one that is a member no more.
    await outside.output("ip", ["link", "del", "evil0"]);
    await scene.transact("del keyspaces/blue/members/h9", "del hosts/h9");
    await tap.until("removed", isElement);
    await digTunnel("evil0", { ...tunnel, remote: victim(), src: "10.42.66.3" });
    expect(await seenWhile(() => ping(outside, base.ip, 2))).not.toContainEqual(matching("10.42.66.3"));

    function isElement(event: { key: string }): boolean {
      return event.key === `inet element vxlan-peers-blue ${local}`;
    }
  });

  test.each([
    ["beside a peer, whose address it goes out with", mole, "10.42.66.4"],
    ["of the same host", mouse, "10.42.66.5"],
  ])("from another network's container is not heard: %s", async (_, container, src) => {
    const place = scene.placeOf(container);
    await digTunnel("evil0", { place, local: container.ip, remote: victim(), vni: 1042, src });
    const leaving = await startCapture(place, "eth0", "udp port 4789");
    expect(await seenWhile(() => ping(place, base.ip, 2))).not.toContainEqual(matching(src));
    await leaving.until(requests(src));
    await leaving.stop();
  });

  test("of others, with another VNI, passes on the same port between the same hosts", async () => {
    const [h1, h2] = ["h1", "h2"].map((name) => scene.lab.host(name)) as [Host, Host];
    for (const [host, other, address] of [
      [h1, h2, "192.0.2.1"],
      [h2, h1, "192.0.2.2"],
    ] as const) {
      const ends = `local ${host.underlay.address()} remote ${other.underlay.address()}`;
      await ipBatch(host, [
        `link add others0 type vxlan id 7 ${ends} dstport 4789`,
        `address add ${address}/24 dev others0`,
        "link set others0 up",
      ]);
    }
    const wire = await scene.lab.capture("h2", "udp port 4789");
    expect(await ping(h1, "192.0.2.2")).toMatchObject({ received: 2 });
    await wire.until(/192\.0\.2\.1 > 192\.0\.2\.2/);
    await wire.stop();
    for (const host of [h1, h2]) await host.output("ip", ["link", "del", "others0"]);
  });
});

describe("a port", () => {
  test("lets nothing pass in another's name, nor what only routers and servers say", async () => {
    expect(await seenOfForged()).toEqual([]);
  });
});

describe("an uplink", () => {
  test("leads to no other network, and to no other uplink's end", async () => {
    const { own, others } = await ends();
    expect(await answering(scene.placeOf(bot), [own, ...others, mouse.ip, mole.ip])).toEqual([own]);
  });
});

describe("guards", () => {
  test("that somebody flushes in the midst of an attack are back, and no peer's packet is lost", async () => {
    const host = scene.lab.host("h2");
    const { outside, wire } = scene.lab;
    const src = "10.42.66.6";
    await outside.exec("ip", ["link", "del", "evil0"]);
    await digTunnel("evil0", { place: outside, local: wire.segment.gateway, remote: victim(), vni: 1042, src });
    endWithTest(outside.spawn("ping", ["-q", "-i", "0.01", base.ip]));
    const before = await snapshotOf(host);
    const running = await startPing(scene.placeOf(app), base.ip);
    const tap = await openTap(scene, "h2");
    await host.output("nft", ["flush", "ruleset"]);
    await tap.until("repaired", ({ key }) => key === "inet chain vxlan-blue");
    await eventually(async () => expect(await snapshotOf(host)).toEqual(before));

    const arriving = await scene.lab.capture("h2", `udp port 4789 and src ${wire.segment.gateway}`);
    expect(await seenWhile(() => arriving.until(requests(src)))).not.toContainEqual(matching(src));
    await arriving.stop();
    const { sent, received } = await running.stop();
    expect(sent - received).toBe(0);
  });

  test("are what keeps all of it out", async () => {
    const host = scene.lab.host("h2");
    const { own, others } = await ends();
    for (const name of ["h1", "h2"]) await scene.agent(name).kill();

    // The peer's host alone can tell its own packets from those that leave with its address.
    expect(await seenWhile(() => ping(scene.placeOf(mole), base.ip, 1))).not.toContainEqual(matching("10.42.66.4"));
    await scene.lab.host("h1").output("nft", ["delete", "chain", "inet", "skein", "transit-blue"]);
    expect(await seenWhile(() => ping(scene.placeOf(mole), base.ip, 1))).toContainEqual(matching("10.42.66.4"));

    await host.output("nft", ["flush", "ruleset"]);
    await host.in("skein-blue").output("nft", ["delete", "table", "bridge", "skein"]);
    expect(await seenWhile(() => ping(scene.lab.outside, base.ip, 1))).toContainEqual(matching("10.42.66.6"));
    expect(await seenWhile(() => ping(scene.placeOf(mouse), base.ip, 1))).toContainEqual(matching("10.42.66.5"));
    expect(await seenOfForged()).toEqual(Object.keys(forged));
    expect(await answering(scene.placeOf(bot), [own, ...others])).toEqual([own, ...others]);

    await scene.start();
    expect(await seenOfForged()).toEqual([]);
    expect(await answering(scene.placeOf(bot), [own, ...others])).toEqual([own]);
  });
});

/** What `bot` sends that is not its own to say, and how tcpdump prints it. */
const forged: Record<string, [Frame, RegExp]> = {
  "another's address": [udp({ ...fromBot(), src: app.ip }, { from: 9, to: 40001 }), /40001: UDP/],
  "another's MAC": [udp({ ...fromBot(), from: strange }, { from: 9, to: 40002 }), /40002: UDP/],
  "another's MAC and address": [
    udp({ ...fromBot(), from: macOf(ip(app.ip)), src: app.ip }, { from: 9, to: 40003 }),
    /40003: UDP/,
  ],
  "the gateway's address, by ARP": [
    arpReply(macOf(ip(bot.ip)), gateway, macOf(ip(bot.ip))),
    /Reply 10\.42\.0\.1 is-at/,
  ],
  "another's MAC, by ARP": [arpReply(macOf(ip(bot.ip)), bot.ip, strange), /Reply 10\.42\.205\.7 is-at 02:00:/],
  "the gateway's address, under a VLAN's tag": [
    tagged(arpReply(macOf(ip(bot.ip)), gateway, strange)),
    /vlan 0.* Reply/,
  ],
  "a router, in IPv6": [routerAdvertisement(macOf(ip(bot.ip))), /IPv6.* router advertisement/],
  "a router, by way of SNAP": [snap(routerAdvertisement(macOf(ip(bot.ip)))), /802\.3|SNAP/],
  "a DHCP server": [udp(fromBot(), { from: 67, to: 68 }), /\.67 > /],
  "a DHCP server, to everybody": [
    udp({ ...fromBot(), to: broadcast, dst: "255.255.255.255" }, { from: 67, to: 68 }),
    /\.67 > 255/,
  ],
};

function fromBot() {
  return { from: macOf(ip(bot.ip)), to: macOf(ip(base.ip)), src: bot.ip, dst: base.ip };
}

/** Which of the forged frames the victim sees, all of them sent, up to an honest one. */
async function seenOfForged(): Promise<string[]> {
  const capture = await startCapture(scene.placeOf(base), "eth0");
  const honest = udp(fromBot(), { from: 9, to: 40000 });
  await sendFrames(scene.placeOf(bot), [...Object.values(forged).map(([frame]) => frame), honest]);
  await capture.until(/40000: UDP/);
  const lines = await capture.stop();
  return Object.keys(forged).filter((name) => lines.some((line) => forged[name]?.[1].test(line)));
}

/** The ends of the uplinks of h2: the host's of blue, and both of green. */
async function ends(): Promise<{ own: string; others: string[] }> {
  const host = scene.lab.host("h2");
  const others = [addressOn(host, "sku-green"), addressOn(host.in("skein-green"), "up0")];
  return { own: await addressOn(host, "sku-blue"), others: await Promise.all(others) };
}
