import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inside, portName } from "../../src/desired/names.ts";
import type { Kind } from "../../src/desired/rows.ts";
import { ping } from "../../src/lab/demo/ping.ts";
import { eventually } from "../eventually.ts";
import { type Container, openScene, type Scene, vxlan } from "./scene.ts";
import { snapshotOf } from "./snapshot.ts";
import { openTap, type Tap } from "./tap.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
const bot: Container = { net: "blue", host: "h2", name: "bot", ip: "10.42.205.7" };

const port = portName("blue", "h2", "base");
/** Agent address and VTEP MAC of h1, by its name alone, and a MAC that nobody has. */
const peer = "10.42.92.128";
const peerMac = "0e:53:0a:2a:5c:80";
const strange = "02:00:00:00:00:99";
const bridge = inside.bridge;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  for (const container of [app, base, bot]) await scene.enter(container);
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

/**
 * What somebody does, where: on the host, in the network's namespace, or in a container's; and what the agent tells of
 * mending, where that is another kind. Some take several steps, and may find the first undone when they come to the next.
 */
type Harm = readonly [
  what: string,
  where: "host" | "skein-blue" | "blue-base",
  command: string,
  mended?: Kind | "silently",
];

/** Of these there are rows only where something is encrypted, which takes ESP: test/vm shows them, on a kernel that has it. */
type Encrypted = "policy" | "tunnel";

const harms: Record<Exclude<Kind, Encrypted>, readonly Harm[]> = {
  // The agent may have mounted another before ip removes the file, which it says.
  namespace: [["deleted", "host", "ip netns del skein-blue || test -e /run/netns/skein-blue"]],
  link: [
    ["uplink deleted", "host", "ip link del sku-blue"],
    ["uplink down", "host", "ip link set sku-blue down"],
    ["uplink's MTU changed", "host", "ip link set sku-blue mtu 1300"],
    ["uplink's MAC changed", "host", `ip link set sku-blue address ${strange}`],
    ["uplink's inner end deleted", "skein-blue", "ip link del up0"],
    ["uplink's inner end down", "skein-blue", "ip link set up0 down"],
    ["tunnel deleted", "skein-blue", "ip link del vx0"],
    ["tunnel down", "skein-blue", "ip link set vx0 down"],
    ["tunnel's MTU changed", "skein-blue", "ip link set vx0 mtu 1400"],
    ["tunnel's MAC changed", "skein-blue", `ip link set vx0 address ${strange}`],
    [
      "tunnel made anew with another VNI",
      "skein-blue",
      // By one process, or the agent makes it anew first.
      "printf 'link del vx0\\nlink add vx0 up type vxlan id 7 dstport 4789 local 10.99.0.2\\n' | ip -force -batch - || true",
    ],
    ["bridge deleted", "skein-blue", `ip link del ${bridge}`],
    ["bridge down", "skein-blue", `ip link set ${bridge} down`],
    ["bridge's MTU changed", "skein-blue", `ip link set ${bridge} mtu 1400`],
    ["bridge's MAC changed", "skein-blue", `ip link set ${bridge} address ${strange}`],
    ["port deleted", "skein-blue", `ip link del ${port}`],
    ["port down", "skein-blue", `ip link set ${port} down`],
    ["port's MTU changed", "skein-blue", `ip link set ${port} mtu 1400`],
    ["port taken out of its bridge", "skein-blue", `ip link set ${port} nomaster`],
    [
      "port put into another bridge",
      "skein-blue",
      `printf 'link add br9 type bridge\\nlink set ${port} master br9\\n' | ip -force -batch - || true`,
    ],
    ["port renamed", "skein-blue", `ip link set ${port} down; ip link set ${port} name stolen up`],
    ["eth0 deleted", "blue-base", "ip link del eth0"],
    ["eth0 down", "blue-base", "ip link set eth0 down"],
    ["eth0's MTU changed", "blue-base", "ip link set eth0 mtu 1400"],
    ["eth0's MAC changed", "blue-base", `ip link set eth0 address ${strange}`],
    ["eth0 renamed", "blue-base", "ip link set eth0 down; ip link set eth0 name eth9 up"],
    ["eth0 taken into the host's namespace", "host", "ip -n blue-base link set eth0 netns $$ name taken"],
  ],
  address: [
    ["the gateway's deleted", "skein-blue", `ip addr del 10.42.0.1/32 dev ${bridge}`],
    ["all of the bridge's deleted", "skein-blue", `ip addr flush dev ${bridge} || true`],
    ["uplink's deleted", "skein-blue", "ip -4 addr flush dev up0 || true"],
    ["uplink's outer deleted", "host", "ip -4 addr flush dev sku-blue || true"],
    ["eth0's deleted", "blue-base", `ip addr del ${base.ip}/16 dev eth0`],
    [
      "the gateway's put in with another length",
      "skein-blue",
      `ip addr del 10.42.0.1/32 dev ${bridge}; ip addr add 10.42.0.1/24 dev ${bridge}`,
    ],
    ["one put in that leads elsewhere", "skein-blue", `ip addr add 10.42.118.1/24 dev up0`],
  ],
  neighbour: [
    ["peer's deleted", "skein-blue", `ip neigh del ${peer} dev vx0`],
    ["peer's MAC changed", "skein-blue", `ip neigh replace ${peer} lladdr ${strange} dev vx0 nud permanent`],
    ["peer's no longer permanent", "skein-blue", `ip neigh replace ${peer} lladdr ${peerMac} dev vx0 nud stale`],
    ["container's deleted", "skein-blue", `ip neigh del ${base.ip} dev ${bridge}`],
    ["all flushed", "skein-blue", "ip neigh flush nud permanent dev vx0 || true"],
  ],
  fdb: [
    ["deleted", "skein-blue", `bridge fdb del ${peerMac} dev vx0 dst 10.99.0.1 self`],
    ["sent elsewhere", "skein-blue", `bridge fdb replace ${peerMac} dev vx0 dst 10.99.0.77 self permanent`],
  ],
  route: [
    ["to a remote address deleted", "skein-blue", `ip route del ${app.ip} dev vx0`],
    ["by another next hop", "skein-blue", `ip route replace ${app.ip} via 10.42.0.99 dev vx0 onlink proto 83`],
    ["blackholed", "skein-blue", `ip route replace blackhole ${app.ip} proto 83`],
    ["without its source", "skein-blue", `ip route replace ${app.ip} via ${peer} dev vx0 onlink proto 83`],
    ["to a container deleted", "skein-blue", `ip route del ${base.ip} dev ${bridge}`],
    ["unreachable deleted", "skein-blue", "ip route del unreachable 10.42.0.0/16"],
    ["out deleted", "skein-blue", "ip route del default"],
    ["in the container deleted", "blue-base", "ip route del default"],
    ["in the container by another next hop", "blue-base", "ip route replace default via 10.42.0.99 dev eth0 proto 83"],
    ["all flushed", "skein-blue", "ip route flush proto 83 || true"],
  ],
  resolver: [
    ["deleted", "host", "rm /etc/netns/blue-base/resolv.conf"],
    ["changed", "host", "echo nameserver 192.0.2.1 >>/etc/netns/blue-base/resolv.conf"],
  ],
  sysctl: [
    ["forwarding off inside", "skein-blue", "echo 0 > /proc/sys/net/ipv4/ip_forward"],
    ["forwarding off on the host", "host", "echo 0 > /proc/sys/net/ipv4/ip_forward"],
    ["proxy ARP off", "skein-blue", `echo 0 > /proc/sys/net/ipv4/conf/${bridge}/proxy_arp`],
    ["reverse path checked", "skein-blue", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter"],
    ["a namespace that resets all", "skein-blue", "echo 1 > /proc/sys/net/ipv4/conf/all/send_redirects"],
  ],
  guard: [
    ["chain flushed on the host", "host", "nft flush chain inet skein vxlan-blue"],
    ["chain deleted on the host", "host", "nft delete chain inet skein vxlan-blue"],
    ["policy changed", "host", "nft chain inet skein forward-blue '{ policy drop ; }'"],
    ["rule added before ours", "host", "nft insert rule inet skein vxlan-blue udp dport 4789 accept"],
    [
      "rule deleted",
      "skein-blue",
      "nft delete rule bridge skein ports handle $(nft -a list chain bridge skein ports | sed -n 's/.*sport 67 .*handle //p')",
    ],
    ["peer's element deleted", "host", "nft delete element inet skein vxlan-peers-blue '{ 10.99.0.1 }'"],
    ["a stranger's element added", "host", "nft add element inet skein vxlan-peers-blue '{ 10.99.0.77 }'"],
    ["container's element deleted", "skein-blue", `nft flush set bridge skein endpoints`],
    ["table deleted on the host", "host", "nft delete table inet skein"],
    ["table deleted inside", "skein-blue", "nft delete table bridge skein"],
    ["table dormant", "skein-blue", "nft add table bridge skein '{ flags dormant ; }'", "silently"],
    ["ruleset flushed on the host", "host", "nft flush ruleset"],
    ["ruleset flushed inside", "skein-blue", "nft flush ruleset"],
  ],
  translation: [
    ["flushed inside", "skein-blue", "nft flush chain inet skein uplinks"],
    ["flushed on the host, before tracking", "host", "nft flush chain inet skein untracked-in-10.99.0.2-4789"],
    ["flushed inside, before tracking", "skein-blue", "nft flush chain inet skein untracked"],
    ["deleted on the host", "host", "nft flush chain inet skein uplinks; nft delete chain inet skein uplinks"],
  ],
};

describe.each(Object.entries(harms))("%s", (kind, list) => {
  for (const [what, where, command, mended = kind] of list) {
    test(what, async () => {
      const host = scene.lab.host("h2");
      const right = await snapshotOf(host);
      const tap = await openTap(scene, "h2");
      await (where === "host" ? host : host.in(where)).output("sh", ["-ec", command]);
      await eventually(async () => expect(await snapshotOf(host)).toEqual(right));
      await eventually(expectTraffic);
      expect(await scene.plan("h2")).toEqual([]);
      if (mended !== "silently") await eventually(() => expect(mendedKinds(tap)).toContain(mended));
    });
  }
});

function mendedKinds(tap: Tap): string[] {
  return tap.events.flatMap((event) => (event.type === "repaired" || event.type === "removed" ? event.kind : []));
}

/** To a sibling, to another host, and out. */
async function expectTraffic(): Promise<void> {
  const to = [bot.ip, app.ip, scene.lab.outside.address];
  const answers = await Promise.all(to.map((ip) => ping(scene.placeOf(base), ip, 1)));
  expect(answers.map(({ received }) => received)).toEqual([1, 1, 1]);
}
