import { randomBytes } from "node:crypto";
import type { Host } from "../../../src/lab/host.ts";
import type { Place } from "../../../src/lab/place.ts";
import { ipBatch } from "../../../src/lab/wire.ts";

export type Kind = "clear" | "sealed" | "tunnel";

/** One end of a network that nobody looks after: the devices that an agent would make, and its SAs with keys that stay. */
interface Side {
  host: Host;
  /** 1 or 2. */
  n: number;
}

export interface ByHand {
  /** The containers of both hosts, and the second's address. */
  places: readonly [Place, Place];
  address: string;
  /** Octets that the SAs of one host have carried so far. */
  carried(): Promise<number>;
}

/**
 *     eth0 ── pair ── br0   in a namespace of the network, as with an agent; no guards
 *                      │
 *                     t0    VXLAN (in clear or in ESP transport mode) or an xfrm interface, of the agent's MTU
 */
export async function layByHand(hosts: readonly [Host, Host], kind: Kind, mtu: number): Promise<ByHand> {
  const sides = hosts.map((host, at): Side => ({ host, n: at + 1 })) as [Side, Side];
  const secrets = [1, 2].map(() => `0x${randomBytes(20).toString("hex")}`);
  const places = await Promise.all(sides.map((side) => layDevices(side, kind, mtu, sides)));
  if (kind !== "clear") for (const side of sides) await ipBatch(side.host, [...states(side), ...policies(side)]);
  const [first] = hosts;
  return {
    places: [places[0]!, places[1]!],
    address: inner(kind, 2, 9),
    carried: async () => octetsOf(await first.output("ip", ["-s", "xfrm", "state", "list", "reqid", `${reqid(kind)}`])),
  };

  /** UDP 4500 of charon's takes what comes encapsulated, whoever's SA it is of. */
  function states({ n }: Side): string[] {
    return [1, 2].map((from) => {
      const ends = `src ${outer(sides, from)} dst ${outer(sides, 3 - from)}`;
      const algorithm = `aead rfc4106(gcm(aes)) ${secrets[from - 1]} 128`;
      const link = kind === "tunnel" ? ` if_id ${ifId} flag af-unspec` : "";
      // Of what is sent nothing is remembered.
      const window = from === n ? "" : " replay-window 1024";
      const rest = `reqid ${reqid(kind)} mode ${mode(kind)}${window} ${algorithm}${link} encap espinudp 4500 4500 0.0.0.0`;
      return `xfrm state add ${ends} proto esp spi ${spi(kind, from)} ${rest}`;
    });
  }

  function policies({ n }: Side): string[] {
    const [own, peer] = [outer(sides, n), outer(sides, 3 - n)];
    const template = (src: string, dst: string) =>
      kind === "tunnel"
        ? `if_id ${ifId} tmpl src ${src} dst ${dst} proto esp reqid ${reqid(kind)} mode tunnel`
        : `tmpl proto esp reqid ${reqid(kind)} mode transport`;
    const [here, there] = kind === "tunnel" ? ["0.0.0.0/0", inner(kind, 3 - n, 0, "/24")] : [`${own}/32`, `${peer}/32`];
    const port = kind === "tunnel" ? "" : ` proto udp sport ${vxlanPort(kind)} dport ${vxlanPort(kind)}`;
    return [
      `xfrm policy add src ${here} dst ${there}${port} dir out priority 10000 ${template(own, peer)}`,
      `xfrm policy add src ${there} dst ${here}${port} dir in priority 10000 ${template(peer, own)}`,
    ];
  }
}

async function layDevices({ host, n }: Side, kind: Kind, mtu: number, sides: readonly Side[]): Promise<Place> {
  const [network, name] = [`hand-${kind}`, `hand-${kind}-c`];
  const inside = await host.container(network);
  const container = await host.container(name);
  await ipBatch(host, [`link add t0 ${device(kind, n, sides)}`, `link set t0 netns ${network}`]);
  const through = kind === "tunnel" ? "dev t0" : `via 10.200.0.${3 - n} dev t0`;
  await ipBatch(inside, [
    `link set t0 mtu ${mtu} up`,
    ...(kind === "tunnel" ? [] : [`addr add 10.200.0.${n}/24 dev t0`]),
    `link add br0 type bridge`,
    `link add p0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${name}`,
    `link set p0 master br0 up`,
    `addr add ${inner(kind, n, 1)}/24 dev br0`,
    `link set br0 up`,
    `route add ${inner(kind, 3 - n, 0, "/24")} ${through}`,
  ]);
  await inside.output("sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"]);
  await ipBatch(container, [
    `addr add ${inner(kind, n, 9)}/24 dev eth0`,
    `link set eth0 up`,
    `route add default via ${inner(kind, n, 1)}`,
  ]);
  return container;
}

function device(kind: Kind, n: number, sides: readonly Side[]): string {
  if (kind === "tunnel") return `type xfrm if_id ${ifId}`;
  const port = vxlanPort(kind);
  const source = kind === "sealed" ? ` srcport ${port} ${port + 1}` : "";
  return `type vxlan id ${port} local ${outer(sides, n)} remote ${outer(sides, 3 - n)} dstport ${port}${source}`;
}

/** None that an agent uses: policies and SAs stand side by side with its own. */
const ifId = 0x1001;
const kinds: readonly Kind[] = ["clear", "sealed", "tunnel"];
const vxlanPort = (kind: Kind) => 4801 + kinds.indexOf(kind);
const reqid = (kind: Kind) => 101 + kinds.indexOf(kind);
const spi = (kind: Kind, from: number) => 0x2000 + 16 * kinds.indexOf(kind) + from;
const mode = (kind: Kind) => (kind === "tunnel" ? "tunnel" : "transport");
const outer = (sides: readonly Side[], n: number) => sides[n - 1]!.host.underlay.address();
const inner = (kind: Kind, n: number, last: number, length = "") =>
  `10.${201 + kinds.indexOf(kind)}.${n}.${last}${length}`;

function octetsOf(text: string): number {
  return [...text.matchAll(/lifetime current:\s+(\d+)\(bytes\)/g)].reduce((sum, [, octets]) => sum + Number(octets), 0);
}
