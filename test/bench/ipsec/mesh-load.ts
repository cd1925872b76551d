import { generateKeyPairSync } from "node:crypto";
import { filter, firstValueFrom } from "rxjs";
import { compose } from "../../../src/ike/compose.ts";
import { defaultTimings } from "../../../src/ike/timings.ts";
import { openTunnels, type Tunnels } from "../../../src/ike/tunnels.ts";
import { ask } from "../../../src/ike/vici/commands.ts";
import { openConnection } from "../../../src/ike/vici/connection.ts";
import type { Message } from "../../../src/ike/vici/message.ts";
import type { Ip } from "../../../src/model/address.ts";
import type { Charon } from "../../ike/charon.ts";
import { spread } from "../figure.ts";
import { toldOf, tunnelRows } from "./mesh-rows.ts";
import { costOf, type ProcessCost } from "./process-cost.ts";

/** Above all peers' names, so that it is theirs to begin; they do not exist, and none ever does. */
const host = "zz";
const timings = { ...defaultTimings, graceMs: 24 * 3_600_000 };
/** Peers more, one after another, and lists. */
const samples = 20;

/** What so many peers came to, in milliseconds. */
export interface Load {
  /** All at once, by the driver; and the same messages, composed before, one after another over a bare connection. */
  loadMs: number;
  bareMs: number;
  charon: ProcessCost;
  /** Of charon before it knew anybody. */
  idle: ProcessCost;
  /** Lists of what charon was told, and of SAs. */
  listMs: number;
  /** One peer more, and what of our processor it took; and a bare load-conn. */
  oneMs: number;
  oneCpuMs: number;
  oneBareMs: number;
}

/** Tells a fresh charon of so many peers twice, the first time barely. */
export async function loadPeers(charon: Charon, peers: number, own: Ip): Promise<Load> {
  const rows = Array.from({ length: peers + samples }, (_, n) => tunnelRows(n, own));
  const { bareMs, oneBareMs } = await bareLoad(charon, rows.slice(0, peers), rows.slice(peers));
  await charon.start();
  const tunnels = await openFor(charon);
  try {
    const idle = await costOf(charon.pid() ?? 0);
    const loadMs = await timed(() => add(tunnels, rows.slice(0, peers).flat()));
    const loaded = await costOf(charon.pid() ?? 0);
    const listMs = await median(Array.from({ length: samples }), () => tunnels.driver.list("host"));
    const before = process.cpuUsage();
    const oneMs = await median(rows.slice(peers), (more) => add(tunnels, more));
    const { user, system } = process.cpuUsage(before);
    const charonCost = { rssMb: loaded.rssMb, cpuMs: loaded.cpuMs - idle.cpuMs };
    return {
      loadMs,
      bareMs,
      charon: charonCost,
      idle,
      listMs,
      oneMs,
      oneCpuMs: (user + system) / 1000 / samples,
      oneBareMs,
    };
  } finally {
    await tunnels.stop();
    await charon.end("SIGKILL");
  }
}

async function bareLoad(charon: Charon, all: readonly Rows[], more: readonly Rows[]) {
  const messages = (rows: readonly Rows[]): Message[] =>
    rows.map(toldOf).map(({ conn, told }) => ({ [conn]: compose(told, { host, timings }) }));
  await charon.start();
  const connection = await openConnection(charon.socket);
  try {
    const [first, rest] = [messages(all), messages(more)];
    const bareMs = await timed(async () => {
      for (const message of first) await ask(connection, "load-conn", message);
    });
    return { bareMs, oneBareMs: await median(rest, (message) => ask(connection, "load-conn", message)) };
  } finally {
    connection.close();
    await charon.end("SIGKILL");
  }
}

type Rows = ReturnType<typeof tunnelRows>;

async function openFor(charon: Charon): Promise<Tunnels> {
  const keys = [generateKeyPairSync("ed25519").privateKey];
  const tunnels = openTunnels({ socket: charon.socket, host, credentials: () => ({ type: "pubkey", keys }), timings });
  await firstValueFrom(tunnels.events$.pipe(filter(({ type }) => type === "charon-back")));
  return tunnels;
}

async function add(tunnels: Tunnels, rows: Rows): Promise<void> {
  const failures = await tunnels.driver.apply(
    "host",
    rows.map((row) => ({ verb: "add", row })),
  );
  const failed = failures.find((failure) => failure !== undefined);
  if (failed) throw new Error(failed.message);
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

async function median<T>(over: readonly T[], act: (one: T) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (const one of over) times.push(await timed(() => act(one)));
  return spread(times).p50;
}
