import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Capture } from "../../src/lab/capture.ts";
import { ping } from "../../src/lab/demo/ping.ts";
import { openScene, type Scene } from "../e2e/scene.ts";
import { container, inClear, nets, patience, tunnels } from "./encrypted/sealed.ts";

/**
 *     h2 192.168.77.2 ── nat 192.168.77.1 | 10.99.0.2 ── wire ── h1 10.99.0.1, h3 10.99.0.3
 *
 * h1 is of the lowest name, and begins in vain with h2. All prove themselves by a secret, and send ESP in UDP only where a
 * NAT is between them.
 */
const secret = "only the hosts know this";
let directory: string;
let args: string[];
let scene: Scene;
let capture: Capture;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-psk-"));
  const file = join(directory, "psk");
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
  args = ["--linger", "0", "--psk-file", file, "--no-encapsulation"];
  const charon = ["retransmit_timeout = 1.0", "retransmit_tries = 2"];
  scene = await openScene({ hosts: 3, args, charon, patience: 100 });
  const h2 = scene.lab.host("h2");
  const nat = await h2.container("nat");
  await h2.output("ip", ["link", "set", "eth0", "netns", "nat"]);
  await h2.output("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "in0", "netns", "nat"]);
  const configure = (commands: readonly string[]) => `${commands.join("\n")}\n`;
  await nat.output("ip", ["-batch", "-"], {
    input: configure([
      "addr add 10.99.0.2/24 dev eth0",
      "link set eth0 up",
      "addr add 192.168.77.1/24 dev in0",
      "link set in0 up",
    ]),
  });
  await nat.output("sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
  await nat.output("nft", ["-f", "-"], {
    input:
      "table ip nat {\n chain post {\n type nat hook postrouting priority 100\n oifname eth0 masquerade random\n }\n}\n",
  });
  await h2.output("ip", ["-batch", "-"], {
    input: configure(["addr add 192.168.77.2/24 dev eth0", "link set eth0 up", "route add default via 192.168.77.1"]),
  });
  await Promise.all(["h1", "h2", "h3"].map((host) => scene.charon(host).start()));
  capture = await scene.lab.capture("h1", inClear);
  await scene.start("h1", "h3");
}, patience);
afterAll(async () => {
  await scene?.lab.close();
  await rm(directory, { recursive: true });
});

test("a host behind a NAT is reached, by the address that it says, once it has begun", async () => {
  const [app, base] = [container("blue", 1), container("blue", 2)];
  const agent = await scene.lab.host("h2").agent([...args, "--external", "10.99.0.2"]);
  await agent.start();
  await agent.ready();
  await scene.put("networks/blue", { cidr: "10.42.0.0/16" });
  for (const each of [app, base]) await scene.enter(each);
  await expect.poll(async () => (await ping(scene.placeOf(base), app.ip, 1)).received, { timeout: 200_000 }).toBe(1);
  expect((await ping(scene.placeOf(app), base.ip, 3)).received).toBe(3);
  expect(await scene.lab.host("h1").output("ip", ["xfrm", "state"])).toMatch(/encap type espinudp sport \d+ dport \d+/);
  await agent.stop();
});

test.each([
  ["blue", 1446, { cidr: "10.42.0.0/16" }],
  ["red", 1416, { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 7 }, encryption: "ipsec" }],
] as const)("without NAT the largest packet of %s comes back as ESP that fills the wire", async (net, mtu, network) => {
  await scene.put(`networks/${net}`, network);
  for (const n of net === "blue" ? [3] : [1, 3]) await scene.enter(container(net, n));
  const place = scene.placeOf(container(net, 1));
  const send = (size: number) =>
    place.exec("ping", ["-M", "do", "-c", "1", "-W", "3", "-s", `${size - 28}`, container(net, 3).ip]);
  const wire = await scene.lab.capture("h1", "ip proto 50 and greater 1400");
  await expect.poll(async () => (await send(mtu)).code, { timeout: 60_000 }).toBe(0);
  const [, octets] = /length (\d+)$/.exec(await wire.until(/10\.99\.0\.3 > 10\.99\.0\.1: ESP/)) ?? [];
  await wire.stop();
  // Without its IP header, padded to whole words of 4.
  expect(Number(octets)).toBeGreaterThan(1480 - 4);
  expect(Number(octets)).toBeLessThanOrEqual(1480);
  const [link] = JSON.parse(await place.output("ip", ["-json", "link", "show", "dev", "eth0"]));
  expect(link.mtu).toBe(mtu);
});

test("tunnels say so, nothing passed in clear, and etcd does not know the secret", async () => {
  const up = (await tunnels(scene, "h1")).filter(({ peer }) => peer === "h3");
  expect(up).toMatchObject(nets.map((network) => ({ network, state: "up", encap: false })));
  expect(capture.lines).toEqual([]);
  const all = await scene.lab.etcd.ctl(["get", "--prefix", ""]);
  expect(all).toContain("networks/blue");
  expect(all).not.toContain(secret);
  expect(all).not.toContain(Buffer.from(secret).toString("base64").slice(0, -4));
});
