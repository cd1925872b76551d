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

test("what has seen nothing in clear is awake: it sees a datagram for VXLAN's port that is no network's", async () => {
  expect(await all.clear()).toEqual([]);
  await all.scene.lab.host("h1").output("bash", ["-c", "echo > /dev/udp/10.99.0.2/4789"]);
  await expect
    .poll(() => all.clear(), { timeout: 20_000 })
    .toContainEqual(expect.stringMatching(/> 10\.99\.0\.2\.4789:/));
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
    await expect.poll(() => arriving.lines.length, { timeout: 20_000 }).toBeGreaterThan(length);
  };
  await forge();
  expect(heard.lines).toEqual([]);
  // Without it, the same is heard.
  await h3.output("nft", ["flush", "chain", "inet", "skein", "vxlan-red"]);
  await forge();
  await heard.until(/10\.42\.66\.1 > 10\.42\.3\.9/);
});
