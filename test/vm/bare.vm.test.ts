import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Capture } from "../../src/lab/capture.ts";
import { openScene, type Scene } from "../e2e/scene.ts";
import { container, inClear, nets, patience, tunnels } from "./encrypted/sealed.ts";

/** Two hosts that prove themselves by a secret of all, and send ESP without UDP around it. */
const secret = "only the hosts know this";
let directory: string;
let scene: Scene;
let clear: Capture;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-bare-"));
  const file = join(directory, "psk");
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
  const args = ["--linger", "0", "--psk-file", file, "--no-encapsulation"];
  scene = await openScene({ hosts: 2, args, charon: [], patience: 100 });
  clear = await scene.lab.capture("h1", inClear);
  await Promise.all(["h1", "h2"].map((host) => scene.charon(host).start()));
  await scene.start();
  await scene.put("networks/blue", { cidr: "10.42.0.0/16" });
  await scene.put("networks/red", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 7 }, encryption: "ipsec" });
  for (const net of nets) for (const n of [1, 2]) await scene.enter(container(net, n));
  for (const net of nets) await scene.converged(net);
}, patience);
afterAll(async () => {
  await scene?.lab.close();
  await rm(directory, { recursive: true });
});

test.each([
  ["blue", 1446],
  ["red", 1416],
] as const)("the largest packet of %s comes back, as ESP that fills the wire", async (net, mtu) => {
  const place = scene.placeOf(container(net, 1));
  const [link] = JSON.parse(await place.output("ip", ["-json", "link", "show", "dev", "eth0"]));
  expect(link.mtu).toBe(mtu);
  const wire = await scene.lab.capture("h1", "ip proto 50 and greater 1400");
  const send = (size: number) =>
    place.exec("ping", ["-M", "do", "-c", "1", "-W", "3", "-s", `${size - 28}`, container(net, 2).ip]);
  await expect.poll(async () => (await send(mtu)).code, { timeout: 60_000 }).toBe(0);
  const [, octets] = /length (\d+)$/.exec(await wire.until(/10\.99\.0\.2 > 10\.99\.0\.1: ESP/)) ?? [];
  await wire.stop();
  // Without its IP header, padded to whole words of 4.
  expect(Number(octets)).toBeGreaterThan(1480 - 4);
  expect(Number(octets)).toBeLessThanOrEqual(1480);
});

test("tunnels say so, nothing passed in clear, and etcd does not know the secret", async () => {
  expect(await tunnels(scene, "h1")).toMatchObject(nets.map((network) => ({ network, state: "up", encap: false })));
  expect(clear.lines).toEqual([]);
  const all = await scene.lab.etcd.ctl(["get", "--prefix", ""]);
  expect(all).toContain("networks/blue");
  expect(all).not.toContain(secret);
  expect(all).not.toContain(Buffer.from(secret).toString("base64").slice(0, -4));
});
