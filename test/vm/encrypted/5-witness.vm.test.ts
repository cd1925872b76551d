import { afterAll, beforeAll, expect, test } from "vitest";
import { startCapture } from "../../../src/lab/capture.ts";
import { ping } from "../../../src/lab/demo/ping.ts";
import { ipBatch } from "../../../src/lab/wire.ts";
import { patience, type Sealed, sealed } from "./sealed.ts";

/** Last of all, since it spoils the record. */
let all: Sealed;
beforeAll(async () => {
  all = await sealed();
}, patience);
// What comes after has labs of its own, and one processor.
afterAll(() => all?.scene.lab.close());

test("what has seen nothing in clear is awake: it sees what is no network's, and nothing came before that", async () => {
  const h1 = all.scene.lab.host("h1");
  for (const n of [2, 3]) {
    await h1.output("bash", ["-c", `echo > /dev/udp/10.99.0.${n}/4789`]);
    // An address of the networks that none of them has, by way of the other host.
    await h1.output("ip", ["route", "add", `10.42.25${n}.1/32`, "via", `10.99.0.${n}`]);
    await ping(h1, `10.42.25${n}.1`, 1);
  }
  const awake = [2, 3].map((n) => new RegExp(`> 10\\.99\\.0\\.${n}\\.4789:|> 10\\.42\\.25${n}\\.1: ICMP echo request`));
  // On the wires of h1, h2 and h3: two and two for each of the others.
  await expect.poll(async () => (await all.clear()).length, { timeout: 60_000 }).toBeGreaterThanOrEqual(8);
  for (const pattern of awake)
    expect((await all.clear()).filter((line) => pattern.test(line)).length).toBeGreaterThanOrEqual(4);
  expect((await all.clear()).filter((line) => !awake.some((pattern) => pattern.test(line)))).toEqual([]);
});

/** Of h3 the agent is dead and the policies are flushed: the guard is what is left. Its network's device is no host's peer. */
test("what comes in clear by an encrypted network's number is dropped by the guard alone, though it is a peer's address", async () => {
  const { lab } = all.scene;
  const h3 = lab.host("h3");
  expect(await h3.output("ip", ["xfrm", "policy"])).not.toContain("dir in");
  await ipBatch(lab.outside, [
    "addr add 10.99.0.1/32 dev lo",
    "link add forged0 type vxlan id 7 local 10.99.0.1 remote 10.99.0.3 dstport 4789",
    "addr add 10.42.66.1/32 dev forged0",
    "link set forged0 up",
    "route add 10.42.3.9/32 dev forged0",
    "neigh add 10.42.3.9 lladdr 02:00:00:00:00:03 dev forged0",
  ]);
  const arriving = await lab.capture("h3", "udp port 4789");
  const heard = await startCapture(h3.in("skein-red"), "vx0", "icmp");
  const forge = async () => {
    const { length } = arriving.lines;
    await ping(lab.outside, "10.42.3.9", 1);
    await expect.poll(() => arriving.lines.length, { timeout: 60_000 }).toBeGreaterThan(length);
  };
  await forge();
  expect(heard.lines).toEqual([]);
  // Without it, the same is heard.
  await h3.output("nft", ["flush", "chain", "inet", "skein", "vxlan-red"]);
  await forge();
  await heard.until(/10\.42\.66\.1 > 10\.42\.3\.9/);
});
