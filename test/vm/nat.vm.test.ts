import { afterAll, beforeAll, expect, test } from "vitest";
import type { Capture } from "../../src/lab/capture.ts";
import { ping } from "../../src/lab/demo/ping.ts";
import { type Container, openScene, type Scene } from "../e2e/scene.ts";
import { inClear, patience } from "./encrypted/sealed.ts";

/**
 *     h2 192.168.77.2 ── nat 192.168.77.1 | 10.99.0.2 ── wire ── h1 10.99.0.1
 *
 * h1 is of the lower name, and begins in vain.
 */
const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.1.9" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.2.9" };
let scene: Scene;
let capture: Capture;

beforeAll(async () => {
  scene = await openScene({
    hosts: 2,
    args: ["--linger", "0"],
    charon: ["retransmit_timeout = 1.0", "retransmit_tries = 2"],
  });
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
  await Promise.all(["h1", "h2"].map((host) => scene.charon(host).start()));
  capture = await scene.lab.capture("h1", inClear);
  await scene.agent("h1").start();
}, patience);
afterAll(() => scene?.lab.close());

test("a host behind a NAT is reached, by the address that it says, once it has begun", async () => {
  const agent = await scene.lab.host("h2").agent(["--linger", "0", "--external", "10.99.0.2"]);
  await agent.start();
  await Promise.all([agent.ready(), scene.agent("h1").ready()]);
  await scene.put("networks/blue", { cidr: "10.42.0.0/16" });
  for (const each of [app, base]) await scene.enter(each);
  await expect.poll(async () => (await ping(scene.placeOf(base), app.ip, 1)).received, { timeout: 200_000 }).toBe(1);
  expect((await ping(scene.placeOf(app), base.ip, 3)).received).toBe(3);
  expect(await scene.lab.host("h1").output("ip", ["xfrm", "state"])).toMatch(/encap type espinudp sport \d+ dport \d+/);
  expect(capture.lines).toEqual([]);
  await agent.stop();
});
