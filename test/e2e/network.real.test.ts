import { afterAll, beforeAll, expect, test } from "vitest";
import { startCapture } from "../../src/lab/capture.ts";
import { ping, traceroute } from "../../src/lab/demo/ping.ts";
import type { Place } from "../../src/lab/place.ts";
import { eventually } from "../eventually.ts";
import { type Container, endWithTest, keyOf, openScene, recordOf, type Scene, vxlan } from "./scene.ts";
import { type Snapshot, snapshotOf, withoutSysctls } from "./snapshot.ts";
import { openTap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
const bot: Container = { net: "blue", host: "h2", name: "bot", ip: "10.42.205.7" };
/** Nobody has it. */
const nobody = "10.42.77.7";
const gatewayMac = "02:53:0a:2a:00:01";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 2, args: ["--linger", "0"] });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  for (const container of [app, base, bot]) await scene.enter(container);
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

const macsIn = async (place: Place) => {
  const entries = JSON.parse(await place.output("ip", ["-json", "neigh", "show", "dev", "eth0"]));
  return Object.fromEntries(entries.map(({ dst, lladdr }: Record<string, string>) => [dst, lladdr]));
};
const eth0Of = async (place: Place) =>
  JSON.parse(await place.output("ip", ["-json", "address", "show", "dev", "eth0"]));

test("two keys and no other tool give a container its address, MAC, MTU and route", async () => {
  const place = scene.placeOf(base);
  const [eth0] = await eth0Of(place);
  expect(eth0).toMatchObject({ address: "02:53:0a:2a:76:2b", mtu: 1450, operstate: "UP" });
  expect(eth0.addr_info).toContainEqual(expect.objectContaining({ local: base.ip, prefixlen: 16 }));
  const routes = JSON.parse(await place.output("ip", ["-json", "route"]));
  expect(routes).toContainEqual(expect.objectContaining({ dst: "default", gateway: "10.42.0.1", dev: "eth0" }));
  expect(await scene.plan("h2")).toEqual([]);
});

test("a sibling is one hop away, a container of another host three, by way of both agents", async () => {
  const place = scene.placeOf(base);
  expect(await ping(place, bot.ip)).toMatchObject({ received: 2, ttl: 64 });
  expect(await ping(place, app.ip)).toMatchObject({ received: 2, ttl: 62 });
  const agents = await Promise.all(
    ["h2", "h1"].map(async (host) => (await scene.status(host)).networks[0]?.member?.address),
  );
  expect(await traceroute(place, bot.ip)).toEqual([bot.ip]);
  expect(await traceroute(place, app.ip)).toEqual([...agents, app.ip]);
});

test("the gateway's MAC stands for what is elsewhere, a sibling's own for the sibling, none for nobody", async () => {
  const place = scene.placeOf(base);
  await ping(place, bot.ip, 1);
  await ping(place, app.ip, 1);
  expect(await macsIn(place)).toMatchObject({ [app.ip]: gatewayMac, [bot.ip]: "02:53:0a:2a:cd:07" });

  const asked = await place.exec("arping", ["-c", "2", "-w", "1", "-I", "eth0", nobody]);
  expect(asked).toMatchObject({ code: 1, stdout: expect.stringContaining("Received 0 response") });
  expect(await place.exec("arping", ["-c", "1", "-w", "2", "-I", "eth0", app.ip])).toMatchObject({ code: 0 });
});

test("full-size packets pass between hosts, and no larger ones are tried", async () => {
  const fits = (size: number) =>
    scene.placeOf(base).exec("ping", ["-c", "1", "-W", "1", "-M", "do", "-s", String(size - 28), app.ip]);
  expect(await fits(1450)).toMatchObject({ code: 0 });
  expect((await fits(1451)).code).not.toBe(0);
});

test("the way out has the host's address", async () => {
  const url = await scene.lab.outside.serve();
  expect(await fetchFrom(scene.placeOf(app), url)).toBe(scene.lab.host("h1").underlay.address());
  expect(await fetchFrom(scene.placeOf(base), url)).toBe(scene.lab.host("h2").underlay.address());
});

test("connections between containers are not tracked, those that lead out are", async () => {
  const host = scene.lab.host("h2");
  const sent = 8;
  // From a port of its own each.
  const send = (ip: string) =>
    scene.placeOf(base).output("bash", ["-c", `for n in $(seq ${sent}); do echo > /dev/udp/${ip}/9; done`]);
  for (const place of [host, host.in("skein-blue")]) {
    const tracked = async () => Number(await place.output("sysctl", ["-n", "net.netfilter.nf_conntrack_count"]));
    const before = await tracked();
    await send(app.ip);
    await ping(scene.placeOf(base), app.ip, 1); // they have passed
    const between = await tracked();
    // Some may go meanwhile, and one of others come.
    expect(between).toBeLessThan(before + sent / 2);
    await send(scene.lab.outside.address);
    expect(await tracked()).toBeGreaterThan(between);
  }
});

test("a container whose key goes loses eth0 and every row of its own, and comes back with the key", async () => {
  const host = scene.lab.host("h2");
  const before = await snapshotOf(host);
  await scene.remove(keyOf(bot));
  await scene.converged("blue");

  const after = await snapshotOf(host);
  expect(JSON.stringify(after)).not.toMatch(new RegExp(`${bot.ip.replaceAll(".", "\\.")}["/]|02:53:0a:2a:cd:07`));
  expect(await scene.placeOf(bot).exec("ip", ["link", "show", "dev", "eth0"])).toMatchObject({ code: 1 });
  expect(await ping(scene.placeOf(base), app.ip)).toMatchObject({ received: 2 });

  await scene.put(keyOf(bot), recordOf(bot));
  await scene.converged("blue");
  expect(await snapshotOf(host)).toEqual(before);
});

test("a record may come before its namespace, which is attached when it appears", async () => {
  const late: Container = { net: "blue", host: "h1", name: "late", ip: "10.42.64.99" };
  const tap = await openTap(scene, "h1");
  await scene.put(keyOf(late), recordOf(late));
  expect(await tap.until("failed")).toMatchObject({ code: "NETNS_MISSING" });
  const place = await scene.lab.host("h1").container("blue-late");
  await scene.converged("blue");
  expect(await ping(place, base.ip)).toMatchObject({ received: 2, ttl: 62 });
  await scene.remove(keyOf(late));
  await scene.lab.host("h1").removeContainer("blue-late");
});

test("a namespace made again under its name is attached again", async () => {
  const host = scene.lab.host("h1");
  const before = await snapshotOf(host);
  await host.removeContainer("blue-app");
  await host.container("blue-app");
  await eventually(async () => expect(await ping(scene.placeOf(app), base.ip, 1)).toMatchObject({ received: 1 }));
  await eventually(async () => expect(await snapshotOf(host)).toEqual(before));
});

test("two networks of one range never meet, and both have a way out with the same address and port", async () => {
  const namesakes = [app, base].map((container) => ({ ...container, net: "green" }));
  await scene.put("networks/green", vxlan(1043));
  for (const container of namesakes) await scene.enter(container);
  await scene.converged("green");

  const [greenApp, greenBase] = namesakes.map((container) => scene.placeOf(container)) as [Place, Place];
  const capture = await startCapture(greenApp, "eth0", "icmp");
  expect(await ping(scene.placeOf(base), app.ip, 5)).toMatchObject({ received: 5 });
  expect(await ping(greenBase, app.ip, 3)).toMatchObject({ received: 3 });
  expect(await capture.stop()).toHaveLength(6);
  // An address that only blue has.
  expect(await ping(greenApp, bot.ip, 2)).toMatchObject({ received: 0 });

  const url = await scene.lab.outside.serve();
  const own = scene.lab.host("h1").underlay.address();
  const first = holdConnection(scene.placeOf(app), url);
  expect(await first.answer).toBe(own);
  const second = holdConnection(greenApp, url);
  expect(await second.answer).toBe(own);
  // The first is still up, and still its own.
  expect(await first.again()).toBe(own);
  await Promise.all([first.end(), second.end()]);

  await scene.remove("networks/green");
  await scene.remove("keyspaces/green/containers", "--prefix");
  for (const { host } of namesakes) {
    await scene.lab.host(host).removeContainer(`green-${host === "h1" ? "app" : "base"}`);
  }
});

test("an internal network has no way out", async () => {
  const inner: Container = { net: "inner", host: "h1", name: "app", ip: "10.43.64.98" };
  const other: Container = { net: "inner", host: "h2", name: "base", ip: "10.43.118.43" };
  await scene.put("networks/inner", vxlan(1044, { cidr: "10.43.0.0/16", internal: true }));
  for (const container of [inner, other]) await scene.enter(container);
  await scene.converged("inner");
  expect(await ping(scene.placeOf(inner), other.ip)).toMatchObject({ received: 2, ttl: 62 });

  const capture = await scene.lab.capture("h1", "icmp");
  expect(await ping(scene.placeOf(inner), scene.lab.outside.address)).toMatchObject({ received: 0 });
  expect(await ping(scene.placeOf(inner), scene.lab.host("h2").underlay.address())).toMatchObject({ received: 0 });
  expect(await ping(scene.placeOf(app), scene.lab.outside.address, 1)).toMatchObject({ received: 1 });
  // What the other network's container sent, and its answer. tcpdump may be a packet behind.
  await capture.until(/echo reply/);
  expect(await capture.stop()).toHaveLength(2);
});

test("a network that is deleted leaves nothing of ours on any host", async () => {
  await scene.put("networks/brief", vxlan(1045, { cidr: "10.44.0.0/16" }));
  const brief = ["h1", "h2"].map((host, i) => ({ net: "brief", host, name: "app", ip: `10.44.1.${i + 2}` }));
  for (const { host } of brief) await scene.lab.host(host).container("brief-app");
  const before = await snapshots();
  for (const container of brief) await scene.put(keyOf(container), recordOf(container));
  await scene.converged("brief");
  expect(await ping(scene.placeOf(brief[0] as Container), "10.44.1.3")).toMatchObject({ received: 2 });
  expect(await snapshots()).not.toEqual(before);

  await scene.remove("networks/brief");
  await eventually(async () => expect(await snapshots()).toEqual(before));
  for (const host of ["h1", "h2"]) expect(await scene.plan(host)).toEqual([]);

  await scene.remove("networks", "--prefix");
  const left = /skein|sku-|skc|\b(?:blue|inner)\b(?!-)|protocol":"?83/;
  await eventually(async () => expect(JSON.stringify(await snapshots())).not.toMatch(left));
  const members = ["get", "--prefix", "--keys-only", "/skein/v1/keyspaces/brief/members"];
  await eventually(async () => expect(await scene.lab.etcd.ctl(members)).toBe(""));
});

async function snapshots(): Promise<Snapshot[]> {
  return Promise.all(scene.lab.hosts.map(async (host) => withoutSysctls(await snapshotOf(host))));
}

async function fetchFrom(place: Place, url: string): Promise<string> {
  return (
    await place.output(process.execPath, ["-e", `fetch("${url}").then((a) => a.text()).then(console.log)`])
  ).trim();
}

/** A TCP connection from port 40000 that stays open: `answer` is the address the server saw. */
function holdConnection(place: Place, url: string) {
  const { hostname } = new URL(url);
  const program = `
    const socket = require("net").connect({ host: "${hostname}", port: 80, localPort: 40000 });
    const ask = () => socket.write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n");
    socket.setTimeout(5000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (text) => console.log(String(text).trim().split("\\r\\n").at(-1)));
    process.stdin.on("data", ask).on("end", () => process.exit());
    ask();`;
  const child = place.spawn(process.execPath, ["-e", program]);
  endWithTest(child);
  let complaint = "";
  child.stderr.on("data", (text) => {
    complaint += text;
  });
  const next = () =>
    new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (text) => resolve(String(text).trim()));
      child.once("exit", () => reject(new Error(complaint)));
    });
  return {
    answer: next(),
    again() {
      const answer = next();
      child.stdin.write("again");
      return answer;
    },
    end: () => new Promise<void>((resolve) => child.once("exit", () => resolve()).stdin.end()),
  };
}
