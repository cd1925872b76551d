import { decode } from "../model/decode.ts";
import { beaconsOf, keyOf } from "../model/keys.ts";
import type { Network } from "../model/network.ts";
import { compareRevisions, isRevision, type Revision } from "../model/revision.ts";
import { pause } from "../store/backoff.ts";
import type { Client } from "../store/client.ts";
import { StoreError } from "../store/failure.ts";
import { aliveHosts } from "./alive.ts";
import type { Status } from "./status.ts";
import { followStatuses } from "./statuses.ts";
import type { TunnelCount } from "./tunnel-entries.ts";
import type { AgentView, WaitResult } from "./view.ts";
import { WaitError } from "./wait-error.ts";

export interface WaitDeps {
  client: Client;
  view: Pick<AgentView, "world" | "networks">;
}

/** Milliseconds between looks: statuses are told, but nothing tells of this agent's own progress. */
const lookEvery = 20;
/** Milliseconds between questions to etcd: while it is away, and while it has not come to the revision. */
const retryEvery = 200;

/**
 * Waits until every host of the network has converged to `revision`, or to all that etcd holds now.
 *
 * A host is of the network when it is a member, or has containers there and the network allows it. Beacons are written
 * and waited for in place of `revision`: a host that has seen them has seen everything before, and publishes how far it
 * is even when nothing of the network changed.
 *
 * @returns `converged: false` and the hosts as they are when `signal` aborts
 * @throws WaitError
 */
export async function waitForNetwork(
  { client, view }: WaitDeps,
  net: string,
  revision: Revision | "now",
  given: AbortSignal,
): Promise<WaitResult> {
  const signal = AbortSignal.any([given, client.signal]);
  const etcd = asking(net, signal);
  const network = await networkAt(net, revision, signal, () =>
    etcd(() => client.range(keyOf({ type: "network", net }))),
  );
  const beacons = beaconsOf(net).map((key) => ({ type: "put", key, value: "" }) as const);
  const light = async () => (await etcd(() => client.commit([], beacons))).revision;
  let beacon = await light();
  const alive = await etcd(() => aliveHosts(client));

  const statuses = followStatuses(client, net);
  const hosts = () => hostsOf(view, net, network);
  const done = () => seen(view, net, beacon) && hosts().every((host) => reached(statuses.of.get(host), beacon));
  try {
    for (;;) {
      while (!done() && !signal.aborted) await pause(lookEvery, signal);
      if (signal.aborted || !(await hasMoved(beacon))) break;
      beacon = await light();
    }
  } finally {
    statuses.close();
  }

  // Where etcd is away now, what it said at first stands.
  const aliveNow = await aliveHosts(client).catch(() => alive);
  return {
    converged: done(),
    revision: revision === "now" ? beacon : revision,
    hosts: hosts().map((host) => reportOf(host, statuses.of.get(host), aliveNow)),
  };

  /** Whether a host joined or took a block meanwhile: the others must have seen that, too, before packets reach it. */
  async function hasMoved(since: Revision): Promise<boolean> {
    for (const area of ["members", "blocks"]) {
      const { records } = await etcd(() => client.range(`keyspaces/${net}/${area}/`));
      if (records.some((record) => compareRevisions(record.revision, since) > 0)) return true;
    }
    return false;
  }
}

/** The network's record, once etcd is at `revision`. */
async function networkAt(
  net: string,
  revision: Revision | "now",
  signal: AbortSignal,
  read: () => ReturnType<Client["range"]>,
): Promise<Network> {
  const key = keyOf({ type: "network", net });
  const cannot = `Cannot wait for network ${net}`;
  for (;;) {
    const { revision: at, records } = await read();
    if (revision !== "now" && compareRevisions(at, revision) < 0) {
      await pause(retryEvery, signal);
      if (!signal.aborted) continue;
      throw new WaitError("REVISION_AHEAD", `${cannot}: expected etcd to come to revision ${revision}, it is at ${at}`);
    }
    const record = records.find((found) => found.key === key);
    if (record === undefined) throw new WaitError("NETWORK_UNKNOWN", `${cannot}: expected ${key} in etcd, got none`);
    const decoded = decode(key, record.value);
    if (decoded && "path" in decoded) return decoded.value as Network;
    const why = decoded?.rejected.reason ?? "another record";
    throw new WaitError("NETWORK_REJECTED", `${cannot}: expected a valid ${key}, got ${why}`);
  }
}

/** Runs calls to etcd again while it is away, until the signal aborts. */
function asking(net: string, signal: AbortSignal) {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {}); // mostly nobody is asking when it comes
  return async <T>(call: () => Promise<T>): Promise<T> => {
    let last: unknown;
    while (!signal.aborted) {
      try {
        return await Promise.race([call(), aborted]);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof StoreError && error.code === "unavailable")) throw error;
        last = error;
        await pause(retryEvery, signal);
      }
    }
    const found = last instanceof Error ? last.message : "no answer";
    throw new WaitError("ETCD_AWAY", `Cannot wait for network ${net}: expected etcd to be there, got ${found}`, last);
  };
}

function hostsOf({ world }: WaitDeps["view"], net: string, network: Network): string[] {
  const keyspace = world.keyspaces.get(net);
  const allowed = (host: string) => network.hosts === undefined || network.hosts.includes(host);
  const withContainers = [...(keyspace?.containers.keys() ?? [])].filter(allowed);
  return [...new Set([...(keyspace?.members.keys() ?? []), ...withContainers])].sort();
}

/** Whether this agent's own world, which says who the hosts are, is as new as the beacon. */
function seen(view: WaitDeps["view"], net: string, beacon: Revision): boolean {
  const own = view.networks().find((state) => state.net === net);
  return own !== undefined && compareRevisions(own.observed, beacon) >= 0;
}

function reached(status: Status | undefined, beacon: Revision): boolean {
  return status !== undefined && isRevision(status.converged) && compareRevisions(status.converged, beacon) >= 0;
}

function reportOf(host: string, status: Status | undefined, alive: ReadonlySet<string>): WaitResult["hosts"][number] {
  return {
    host,
    converged: status && isRevision(status.converged) ? status.converged : undefined,
    alive: alive.has(host),
    waiting: status?.failedCount ?? 0,
    failed: status?.failed.map(({ row, message }) => `${row}: ${message}`) ?? [],
    ...(status?.tunnels && { tunnels: countOf(status.tunnels) }),
  };
}

/** Without what a later version may say beside. */
function countOf({ wanted, up, why }: NonNullable<Status["tunnels"]>): TunnelCount {
  return { wanted, up, ...(why !== undefined && { why }) };
}
