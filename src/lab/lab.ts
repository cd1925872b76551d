import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cidr, cidr } from "../model/address.ts";
import { isName } from "../model/keys.ts";
import { agentOn } from "./agent.ts";
import { startBroom } from "./broom.ts";
import { type Capture, startCapture } from "./capture.ts";
import { charonOn } from "./charon.ts";
import { environmentOf, installCommand } from "./environment.ts";
import { LabError } from "./error.ts";
import { type Etcd, etcdOn } from "./etcd.ts";
import { hold } from "./holder.ts";
import { type Host, hostPlace, plugHost } from "./host.ts";
import { type Outside, openOutside } from "./outside.ts";
import { startTime } from "./process-stat.ts";
import { type Segment, segmentOf } from "./segment.ts";
import { createState, isOrphan, type LabState, listStates, updateState } from "./state.ts";
import { layWire, type Wire } from "./wire.ts";

export interface LabOptions {
  hosts: number;
  /** Unique on this machine; made up by default. */
  name?: string;
  /** The wire's prefix, 10.99.0.0/24 by default. */
  subnet?: Cidr;
}

/**
 * Several hosts on one machine, of namespaces, on one wire, with an etcd and an outside.
 *
 *     h1 .1   h2 .2   ...   outside .253 (203.0.113.1)
 *      └───────┴──────┬──────────┘
 *                 br0 .254  etcd :2379       10.99.0.0/24
 */
export interface Lab {
  readonly name: string;
  /** For data and logs; removed with the lab. */
  readonly directory: string;
  readonly hosts: readonly Host[];
  readonly wire: Wire;
  readonly outside: Outside;
  readonly etcd: Etcd;
  /** @throws LabError NO_HOST */
  host(name: string): Host;
  /** What passes a host's port of the wire, from now on; `filter` is tcpdump's, as in `udp port 4789`. */
  capture(host: string, filter?: string): Promise<Capture>;
  /** Lets the lab outlive this process; `removeLab` ends it. */
  keep(): Promise<void>;
  /** Ends all its processes, and with them its namespaces, and removes its files. */
  close(): Promise<void>;
}

/** Makes a lab with etcd running. It ends with `close`, or with this process, however that dies. */
export async function createLab(options: LabOptions): Promise<Lab> {
  if (process.getuid?.() !== 0)
    throw new LabError("NOT_ROOT", `Cannot create lab: expected to run as root, got user ${process.getuid?.()}`);
  const segment = segmentOf(options.subnet ?? cidr("10.99.0.0/24"), options.hosts);
  await removeOrphans();
  const random = randomBytes(3).toString("hex");
  const name = options.name ?? `${process.pid}-${random}`;
  if (!isName(name))
    throw new LabError("BAD_NAME", `Cannot create lab: expected a name of letters and digits, got "${name}"`);
  const owner = { pid: process.pid, startTime: (await startTime(process.pid)) ?? "" };
  const directory = join(tmpdir(), `skein-lab-${name}-${random}`);
  const state: LabState = { name, owner, directory, etcd: `http://${segment.wire}:2379`, holders: {} };
  await createState(state);
  const broom = startBroom(state);
  try {
    await mkdir(directory, { mode: 0o700 });
    const parts = await build(state, segment, options.hosts);
    await updateState(state);
    return { name, directory, ...parts, keep, close: () => broom.sweep() };
  } catch (error) {
    await broom.sweep();
    throw error;
  }

  async function keep(): Promise<void> {
    const { owner: _, ...kept } = state;
    await updateState(kept);
    await broom.keep();
  }
}

type Parts = Pick<Lab, "hosts" | "wire" | "outside" | "etcd" | "host" | "capture">;

/** Fills in the state's holders as it goes. */
async function build(state: LabState, segment: Segment, count: number): Promise<Parts> {
  const env = environmentOf(state);
  const open = async (name: string) => {
    const pid = await hold(name, env);
    state.holders[name] = pid;
    return hostPlace({ name, pid, env });
  };
  await installCommand(state.directory);
  const wire = await layWire(await open("wire"), segment);
  const etcd = etcdOn(wire, state.etcd, join(state.directory, "etcd"));

  const openHost = async (n: number) => {
    const directory = join(state.directory, `h${n}`);
    const here = await open(`h${n}`);
    return plugHost(here, wire, segment.host(n), {
      agent: (args = []) => agentOn({ host: here, etcd: state.etcd, directory, args }),
      charon: (options = {}) => charonOn({ ...options, host: here, directory }),
    });
  };
  const openGateway = async () => {
    const here = await open("outside");
    await wire.plug(here, segment.gateway);
    return openOutside(here, state.directory);
  };
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const opening = [openGateway(), etcd.start(), ...numbers.map(openHost)] as const;
  // All are waited for: one that went on after another's failure would make what nobody sweeps.
  await Promise.allSettled(opening);
  const [outside, , ...hosts] = await Promise.all(opening);

  const host = (name: string) => {
    const found = hosts.find((candidate) => candidate.name === name);
    if (found !== undefined) return found;
    throw new LabError("NO_HOST", `Cannot find host: expected h1 to h${count}, got "${name}"`);
  };
  const capture = (name: string, filter?: string) => startCapture(wire, host(name).name, filter);
  return { wire, etcd, outside, hosts, host, capture };
}

/** Ends a lab by what is known of it from outside: a kept one, or one whose owner has died. */
export async function removeLab(state: LabState): Promise<void> {
  await startBroom(state).sweep();
}

/** Owners that died together with their broom leave labs behind. */
async function removeOrphans(): Promise<void> {
  for (const state of await listStates()) if (await isOrphan(state)) await removeLab(state);
}
