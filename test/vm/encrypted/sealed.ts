import { ask } from "../../../src/cli/client.ts";
import type { Capture } from "../../../src/lab/capture.ts";
import { type PingResult, ping, startPing } from "../../../src/lab/demo/ping.ts";
import type { KeysAnswer, StatusAnswer, TunnelEntry, TunnelsAnswer } from "../../../src/observe/answers.ts";
import { type Container, openScene, type Scene } from "../../e2e/scene.ts";

/**
 * Three hosts and two encrypted networks of one range: blue by ESP tunnels, red by VXLAN through ESP. Containers of both
 * are on h1 and h2 from the beginning; h3 comes later, its agent first. All files of this folder use one lab: to make it takes half a minute.
 */
export interface Sealed {
  scene: Scene;
  /** Every packet of the networks that passed the wire in clear, since the beginning; nothing may ever be here. */
  clear(): Promise<readonly string[]>;
}

/** Milliseconds that the lab may take on a busy machine, where each program starts ten times as slowly as here. */
export const patience = 300_000;

/** Of a host's charon, as swanctl is told it. */
export const vici = "unix:///run/skein/charon.vici";

export const nets = ["blue", "red"] as const;
export type Net = (typeof nets)[number];

/** Inner addresses in clear, or VXLAN that is not in ESP. */
export const inClear = "net 10.42.0.0/16 or udp port 4789";

export function container(net: Net, n: number): Container {
  return { net, host: `h${n}`, name: "c", ip: `10.42.${n}.9` };
}

let opening: Promise<Sealed> | undefined;

/** Ends with this process, as every lab does. */
export function sealed(): Promise<Sealed> {
  opening ??= open();
  return opening;
}

async function open(): Promise<Sealed> {
  // A dead peer is given up after 1 + 1.5 + 2.3 s.
  const charon = ["retransmit_timeout = 1.0", "retransmit_base = 1.5", "retransmit_tries = 2"];
  const scene = await openScene({ hosts: 3, args: ["--linger", "0"], charon, patience: 100 });
  const captures = await Promise.all(scene.lab.hosts.map(({ name }) => scene.lab.capture(name, inClear)));
  await Promise.all(["h1", "h2"].map((host) => scene.charon(host).start()));
  await scene.start("h1", "h2");
  await scene.put("networks/blue", { cidr: "10.42.0.0/16" });
  await scene.put("networks/red", {
    cidr: "10.42.0.0/16",
    backend: { type: "vxlan", vni: 7 },
    encryption: "ipsec",
  });
  for (const net of nets) for (const n of [1, 2]) await scene.enter(container(net, n));
  for (const net of nets) await scene.converged(net);
  return { scene, clear: () => linesOf(captures) };
}

/** What tcpdump has told by now; what comes last shows that nothing came before it. */
async function linesOf(captures: readonly Capture[]): Promise<readonly string[]> {
  return captures.flatMap(({ lines }) => lines);
}

/** Resolves when h<from> reaches h<to> in the network. @throws after a while, with what charon and the agents say of it */
export async function reaches({ scene }: Sealed, net: Net, from: number, to: number, ms = 150_000): Promise<void> {
  const until = performance.now() + ms;
  const place = scene.placeOf(container(net, from));
  const address = container(net, to).ip;
  while (performance.now() < until) if ((await ping(place, address, 1)).received === 1) return;
  const said = await Promise.all([tunnels(scene, `h${from}`), tunnels(scene, `h${to}`)]);
  const logs = await Promise.all(
    [from, to].map(
      async (n) =>
        `${(await scene.charon(`h${n}`).log()).slice(-1500)}\n${(await scene.agent(`h${n}`).log()).slice(-1500)}`,
    ),
  );
  throw new Error(
    `Cannot reach ${address} in ${net} from h${from}: expected an answer within ${ms} ms, got none; ${JSON.stringify(said)}\n${logs.join("\n")}`,
  );
}

/** h1 and h2 reach each other in both networks. */
export async function whole(all: Sealed): Promise<void> {
  for (const net of nets) await reaches(all, net, 1, 2);
}

/** The same, and says how long it took: nothing is asked of the time, for in the machine all takes ten times as long. */
export async function back(all: Sealed, after: string, since = performance.now()): Promise<void> {
  await whole(all);
  console.log(`  back ${((performance.now() - since) / 1000).toFixed(1)} s after ${after}`);
}

export async function tunnels(scene: Scene, host: string): Promise<readonly TunnelEntry[]> {
  return (await ask<TunnelsAnswer>(scene.agent(host).socket, "GET /v1/tunnels")).tunnels;
}

/** The public keys of a host, as h1 has read them. */
export async function keysOf(scene: Scene, host: string): Promise<readonly string[]> {
  const { hosts } = await ask<KeysAnswer>(scene.agent("h1").socket, "GET /v1/keys");
  return hosts.find((each) => each.host === host)?.keys ?? [];
}

/** Of the SAs of h1 that stand, both ways. */
export async function spis({ scene }: Sealed): Promise<string[]> {
  return (await tunnels(scene, "h1")).flatMap((each) => (each.state === "up" ? [each.spiIn, each.spiOut] : []));
}

export function status(scene: Scene, host: string): Promise<StatusAnswer> {
  return ask<StatusAnswer>(scene.agent(host).socket, "GET /v1/status");
}

/**
 * Pings in both networks while `act` goes on; how many were lost, by network: of those before the last that was answered,
 * since what is on its way when ping is ended was not lost.
 */
export async function pinging(
  all: Sealed,
  act: () => Promise<unknown>,
  intervalMs?: number,
): Promise<Record<Net, number>> {
  const { scene } = all;
  let blue: PingResult;
  let red: PingResult;
  const begin = (net: Net) => startPing(scene.placeOf(container(net, 1)), container(net, 2).ip, intervalMs);
  const running = [await begin("blue"), await begin("red")] as const;
  try {
    await act();
    await whole(all); // so that what was lost before the end has an answer after it
  } finally {
    // However it went, they end.
    [blue, red] = [await running[0].stop(), await running[1].stop()];
  }
  return { blue: lostOf(blue), red: lostOf(red) };
}

function lostOf({ text }: PingResult): number {
  const answered = [...text.matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, seq]) => Number(seq));
  return Math.max(0, ...answered) - new Set(answered).size;
}
