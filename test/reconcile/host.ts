import { execFileSync } from "node:child_process";
import { openDrivers } from "../../src/kernel/drivers.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import { openKernel } from "../../src/kernel/open.ts";
import type { EngineEvent } from "../../src/reconcile/event.ts";
import { createEngine } from "../../src/reconcile/start.ts";
import { type Scene, wishes } from "./scene.ts";

/** What became of one deed, as the test reads it. */
export interface Outcome {
  deed: string;
  /** Whether the kernel is as it was, by the words of ip, bridge and nft. */
  restored: boolean;
  drifted: number;
  written: number;
  failing: number;
  planned: number;
}

const scene: Scene = { blue: { mtu: 1450, peers: { h2: 0, h3: 0 }, containers: { web: 0 } } };
const inside = "ip netns exec skein-blue";
const container = "ip netns exec blue-web";

export const harms = [
  `${inside} ip route del 10.42.2.0/24`,
  `${inside} ip neigh del 10.42.2.1 dev vx0`,
  `${inside} bridge fdb del 0e:53:0a:2a:02:01 dev vx0 dst 192.0.2.2`,
  `${inside} ip link set vx0 down`,
  `${inside} ip link del vx0`,
  `${inside} ip link del br0`,
  `${inside} nft flush ruleset`,
  `${inside} nft delete table bridge skein`,
  `${inside} sysctl -qw net.ipv4.conf.br0.proxy_arp=0`,
  `${inside} ip addr del 10.42.0.1/32 dev br0`,
  `${container} ip addr flush dev eth0`,
  `${container} ip link del eth0`,
  "ip xfrm policy delete src 0.0.0.0/0 dst 10.42.2.0/24 dir out if_id 0x53000004",
  "ip xfrm policy update src 10.42.2.0/24 dst 0.0.0.0/0 dir in if_id 0x53000004",
  "ip xfrm policy flush",
  "ip netns del skein-blue",
] as const;

/** What keeps tunnels lives on when the agent ends, as charon does. */
const { tunnel } = fakeKernel().drivers;

const witnesses = [
  `${inside} ip -4 -o addr`,
  `${inside} ip route`,
  `${inside} ip neigh show nud permanent`,
  `${inside} bridge fdb show dev vx0`,
  `${inside} nft list ruleset`,
  `${inside} sysctl net.ipv4.conf.br0.proxy_arp`,
  `${container} ip -4 -o addr`,
  `${container} ip route`,
  "ip xfrm policy",
];

// Run in network and mount namespaces of its own, as a host: an agent's part alone, engine and drivers, on this kernel.
if (process.argv[1] === import.meta.filename) {
  sh("ip link set lo up");
  sh("ip netns add blue-web");
  const first = await begin();
  say("start", first.events, {
    restored: true,
    failing: first.engine.failures().length,
    planned: first.engine.plan().length,
  });
  await first.end();
  const whole = picture();

  const second = await begin();
  say("restart", second.events, { restored: picture() === whole, ...counts(second) });
  for (const harm of harms) {
    second.events.length = 0;
    const mended = second.converged(() => picture() === whole);
    sh(harm);
    await mended;
    say(harm, second.events, { restored: picture() === whole, ...counts(second) });
  }
  second.events.length = 0;
  await second.engine.clear();
  const left = sh("ip netns list").trim() === "blue-web" && sh(`${container} ip -br link show type veth`) === "";
  say("leave", second.events, { restored: left, ...counts(second) });
  await second.end();
}

async function begin() {
  const kernel = await openKernel();
  const events: EngineEvent[] = [];
  let heard = () => {};
  const engine = createEngine({
    drivers: openDrivers(kernel, { tunnel }),
    tell(event) {
      events.push(event);
      if (event.type === "converged" && event.waiting === 0) heard();
    },
  });
  for (const [unit, rows] of wishes(scene)) engine.wish(unit, rows, { key: "start", at: performance.now() });
  await engine.start(["host", "net:blue"]);
  /** Resolves when the engine has converged and the condition holds. */
  const converged = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      heard = () => {
        if (holds()) resolve();
      };
    });
  const end = async () => {
    await engine.stop();
    await kernel.close();
  };
  return { engine, events, converged, end };
}

function counts({ engine }: Awaited<ReturnType<typeof begin>>) {
  return { failing: engine.failures().length, planned: engine.plan().length };
}

function say(deed: string, events: EngineEvent[], rest: Pick<Outcome, "restored" | "failing" | "planned">): void {
  const drifted = events.filter(({ type }) => type === "drifted").length;
  const written = events.reduce((sum, event) => sum + (event.type === "converged" ? event.writes : 0), 0);
  process.stdout.write(`${JSON.stringify({ deed, drifted, written, ...rest } satisfies Outcome)}\n`);
}

/** Without what comes anew with each device (its index) or by itself a moment later (carrier). */
function picture(): string {
  const words = witnesses
    .map(sh)
    .join("\n")
    .replaceAll(/^\d+: |link-netnsid \d+| linkdown/gm, "");
  return words.split("\n").sort().join("\n");
}

/** What the command prints; nothing where it fails, as it does while a namespace is away. */
function sh(command: string): string {
  const [file, ...args] = command.split(" ") as [string, ...string[]];
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}
