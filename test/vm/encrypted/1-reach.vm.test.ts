import { beforeAll, expect, test } from "vitest";
import { ping, traceroute } from "../../../src/lab/demo/ping.ts";
import { container, nets, patience, type Sealed, sealed, status, tunnels, whole } from "./sealed.ts";

let all: Sealed;
beforeAll(async () => {
  all = await sealed();
}, patience);

test("two encrypted networks of one range work on the same hosts, and nothing passes in clear", async () => {
  const capture = await all.scene.lab.capture("h1", "udp port 4500");
  await whole(all);
  await capture.until(/UDP-encap: ESP\(spi=/);
  await capture.stop();
  expect(await all.clear()).toEqual([]);
});

test("hosts are hops, as without encryption", async () => {
  const { scene } = all;
  for (const net of nets) {
    const place = scene.placeOf(container(net, 1));
    const to = container(net, 2).ip;
    expect((await ping(place, to)).ttl).toBe(62);
    const hops = await traceroute(place, to);
    expect(hops).toHaveLength(3);
    expect(hops.at(-1)).toBe(to);
    expect(hops).not.toContain("*");
  }
});

test("namesakes of two networks never meet", async () => {
  const { scene } = all;
  const place = scene.placeOf(container("red", 2));
  const child = place.spawn("tcpdump", ["-lni", "eth0", "--immediate-mode", "icmp"]);
  const heard: string[] = [];
  child.stdout.on("data", (text) => heard.push(String(text)));
  await new Promise<void>((resolve) =>
    child.stderr.on("data", (text) => String(text).includes("listening") && resolve()),
  );
  expect((await ping(scene.placeOf(container("blue", 1)), container("blue", 2).ip, 3)).received).toBe(3);
  expect(heard).toEqual([]);
  // The witness is awake: it does hear what is for it.
  expect((await ping(scene.placeOf(container("red", 1)), container("red", 2).ip, 1)).received).toBe(1);
  child.kill("SIGINT");
  await new Promise((resolve) => child.once("exit", resolve));
  expect(heard.join("")).toContain("echo request");
});

test.each([
  ["blue", 1438],
  ["red", 1408],
] as const)("the largest packet of %s fills the wire, and no octet more fits", async (net, mtu) => {
  const { scene } = all;
  const place = scene.placeOf(container(net, 1));
  const [link] = JSON.parse(await place.output("ip", ["-json", "link", "show", "dev", "eth0"]));
  expect(link.mtu).toBe(mtu);
  const capture = await scene.lab.capture("h1", "udp port 4500 and src host 10.99.0.1 and greater 1400");
  // 20 of IP and 8 of ICMP.
  const send = (size: number) =>
    place.exec("ping", ["-M", "do", "-c", "1", "-W", "3", "-s", `${size - 28}`, container(net, 2).ip]);
  expect((await send(mtu)).code).toBe(0);
  expect((await send(mtu + 1)).stdout + (await send(mtu + 1)).stderr).toMatch(/too long|errors/);
  // 1500 and the Ethernet header: what is sent is padded to whole words of 4.
  const longest = await capture.until(/length 15\d\d: /);
  await capture.stop();
  const octets = Number(/length (15\d\d): /.exec(longest)?.[1]);
  expect(octets).toBeGreaterThan(14 + 1496);
  expect(octets).toBeLessThanOrEqual(14 + 1500);
  // The next larger one would not have fitted.
  expect(await all.clear()).toEqual([]);
});

test("tunnels are shown, with their ciphers and what passed", async () => {
  const { scene } = all;
  const shown = await tunnels(scene, "h1");
  expect(shown).toMatchObject([
    {
      network: "blue",
      peer: "h2",
      state: "up",
      mode: "tunnel",
      cipher: "AES_GCM_16-128",
      encap: true,
      initiator: true,
    },
    { network: "red", peer: "h2", state: "up", mode: "transport", cipher: "AES_GCM_16-128", encap: true },
  ]);
  for (const entry of shown) expect(entry.state === "up" && entry.packetsOut).toBeGreaterThan(0);
  const said = await status(scene, "h1");
  expect(said.charon).toMatchObject({ state: "connected" });
  expect(said.networks.map(({ network, tunnels }) => [network, tunnels])).toEqual([
    ["blue", { wanted: 1, up: 1 }],
    ["red", { wanted: 1, up: 1 }],
  ]);
  const { stdout } = await scene.lab.host("h1").exec("skein", ["tunnels"]);
  expect(stdout).toMatch(/blue[\s\S]*h2[\s\S]*AES_GCM_16-128/);
});
