import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import type { Child, Connection, PublicKey, RowOf, Values } from "../../src/desired/rows.ts";
import { publicKeyOf } from "../../src/ike/public-key.ts";
import type { Timings } from "../../src/ike/timings.ts";
import type { TunnelEvent } from "../../src/ike/tunnel-event.ts";
import type { TunnelState } from "../../src/ike/tunnel-state.ts";
import { openTunnels, type Tunnels, type TunnelsOptions } from "../../src/ike/tunnels.ts";
import { openConnection, type ViciConnection } from "../../src/ike/vici/connection.ts";
import type { Host } from "../../src/lab/host.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { ip } from "../../src/model/address.ts";
import type { Failure, Operation } from "../../src/reconcile/kind.ts";
import { type Charon, charonOn } from "./charon.ts";

/** Fast enough for tests; the order of the times is as in earnest. */
export const fast: Partial<Timings> = {
  graceMs: 1_000,
  attemptMs: 2_000,
  backoffMs: { first: 200, most: 1_000 },
  duplicateMs: 200,
  quietMs: 1_500,
  dpdDelayS: 1,
};

/** One of two hosts, with a charon and what an agent has of it. */
export interface End {
  readonly host: Host;
  readonly charon: Charon;
  readonly keys: KeyObject[];
  readonly tunnels: Tunnels;
  /** All since `open`, in order. */
  readonly events: TunnelEvent[];
  open(options?: Partial<TunnelsOptions>): void;
  /** Resolves when the events hold what is looked for, with the first after `from` that is. */
  until<T extends TunnelEvent["type"]>(type: T, is?: (event: Found<T>) => boolean, from?: number): Promise<Found<T>>;
  /** Resolves when charon is there. */
  connected(): Promise<void>;
  add(...rows: RowOf<"tunnel">[]): Promise<(Failure | undefined)[]>;
  apply(...operations: Operation<"tunnel">[]): Promise<(Failure | undefined)[]>;
  states(): Promise<TunnelState[]>;
  /** A connection of one's own to its charon, to be closed. */
  vici(): Promise<ViciConnection>;
  /** How often charon has been told of a connection. */
  loads(): Promise<number>;
}

type Found<T extends TunnelEvent["type"]> = Extract<TunnelEvent, { type: T }>;

/** h1 and h2, of which h1 has the lower name. */
export interface Pair {
  readonly lab: Lab;
  readonly ends: readonly [End, End];
  /** Both charons anew, both agents anew, nothing told; `options` of both, or of each. */
  fresh(options?: Partial<TunnelsOptions> | readonly Partial<TunnelsOptions>[]): Promise<void>;
  close(): Promise<void>;
}

export async function createPair(): Promise<Pair> {
  const lab = await createLab({ hosts: 2 });
  const ends = [await endOn(lab, lab.host("h1")), await endOn(lab, lab.host("h2"))] as const;
  return {
    lab,
    ends: [ends[0], ends[1]],
    async fresh(options = {}) {
      await Promise.all(ends.map((end) => end.close()));
      await Promise.all(ends.map(({ charon }) => charon.start()));
      for (const [n, end] of ends.entries()) {
        end.keys.splice(0, end.keys.length, newKey());
        end.open(Array.isArray(options) ? options[n] : options);
      }
      await Promise.all(ends.map((end) => end.connected()));
    },
    async close() {
      await Promise.all(ends.map((end) => end.close()));
      await lab.close();
    },
  };
}

async function endOn(lab: Lab, host: Host): Promise<End & { close(): Promise<void> }> {
  const charon = await charonOn(lab, host);
  const keys: KeyObject[] = [newKey()];
  const waiting = new Set<() => void>();
  let events: TunnelEvent[] = [];
  let tunnels: Tunnels | undefined;
  const end: End = {
    host,
    charon,
    keys,
    get tunnels() {
      if (!tunnels) throw new Error("Cannot use tunnels: expected them open");
      return tunnels;
    },
    get events() {
      return events;
    },
    open(options = {}) {
      void tunnels?.stop();
      events = [];
      const credentials = () => ({ type: "pubkey", keys }) as const;
      const mine = openTunnels({ socket: charon.socket, host: host.name, credentials, timings: fast, ...options });
      tunnels = mine;
      mine.events$.subscribe((event) => {
        if (tunnels !== mine) return;
        events.push(event);
        for (const wake of waiting) wake();
      });
    },
    until(type, is = () => true, from = 0) {
      return new Promise((resolve) => {
        const look = () => {
          const found = events.slice(from).find((event) => event.type === type && is(event as never));
          if (!found) return;
          waiting.delete(look);
          resolve(found as never);
        };
        waiting.add(look);
        look();
      });
    },
    async connected() {
      await end.until("charon-back");
    },
    add: (...rows) => end.apply(...rows.map((row) => ({ verb: "add", row }) as const)),
    apply: (...operations) => end.tunnels.driver.apply("host", operations),
    states: () => end.tunnels.list(),
    vici: () => openConnection(charon.socket),
    loads: async () =>
      (await readFile(charon.log, "utf8")).match(/(added|updated|replaced) vici connection/g)?.length ?? 0,
  };
  return Object.assign(end, {
    async close() {
      await tunnels?.stop();
      charon.signal("SIGCONT");
      await charon.end("SIGKILL");
    },
  });
}

export function newKey(): KeyObject {
  return generateKeyPairSync("ed25519").privateKey;
}

export function publicKeys(end: End): PublicKey[] {
  return end.keys.map(publicKeyOf);
}

type ConnectionRow = RowOf<"tunnel"> & { value: Connection };

/** How an end is to know the other. */
export function connectionRow(own: End, peer: End, changes: Partial<Connection> = {}): ConnectionRow {
  const auth = { type: "pubkey", own: publicKeys(own)[0] ?? "", peer: publicKeys(peer) } as const;
  const value: Connection = {
    type: "connection",
    host: peer.host.name,
    local: own.host.underlay.address(),
    remote: peer.host.underlay.address(),
    encap: true,
    auth,
    ...changes,
  };
  return { ...rowOf(`conn-${peer.host.name}`, value), value };
}

export function childRow(peer: End, net: string, changes: Partial<Child> = {}): RowOf<"tunnel"> {
  return rowOf(`conn-${peer.host.name} child-${net}`, {
    type: "child",
    mode: "tunnel",
    selector: "0.0.0.0/0",
    label: net,
    reqid: 7,
    ifId: 0x53000000 + net.length,
    proposals: ["aes128gcm16-x25519"],
    ...changes,
  });
}

function rowOf(key: string, value: Values["tunnel"]): RowOf<"tunnel"> {
  return { kind: "tunnel", scope: "host", key, value, because: [] };
}

export async function up(end: End, net: string, from = 0): Promise<TunnelEvent> {
  return end.until("tunnel-up", ({ child }) => child === `child-${net}`, from);
}

/** Tells both, and waits until all is up on both. */
export async function bothUp([a, b]: readonly [End, End], ...nets: string[]): Promise<void> {
  const [mine, theirs] = bothRows([a, b], ...nets);
  expect(await a.add(...mine)).toEqual(mine.map(() => undefined));
  expect(await b.add(...theirs)).toEqual(theirs.map(() => undefined));
  await Promise.all(nets.flatMap((net) => [up(a, net), up(b, net)]));
}

/** What both are to have, with the children of these networks. */
export function bothRows([a, b]: readonly [End, End], ...nets: string[]): [RowOf<"tunnel">[], RowOf<"tunnel">[]] {
  const rows = (own: End, peer: End) => [connectionRow(own, peer), ...nets.map((net) => childRow(peer, net))];
  return [rows(a, b), rows(b, a)];
}

/** An address behind each end, and children between those only: libipsec makes routes, and 0/0 would take IKE with it. */
export async function insides(ends: readonly [End, End]): Promise<Partial<TunnelsOptions>[]> {
  const inside = (n: number) => `10.${n + 1}.0`;
  for (const [n, { host }] of ends.entries())
    await host.exec("ip", ["address", "add", `${inside(n)}.1/24`, "dev", "lo"]);
  return ends.map((_, n) => ({
    shape: ({ if_id_in: _in, if_id_out: _out, ...child }) => ({
      ...child,
      local_ts: [`${inside(n)}.0/24`],
      remote_ts: [`${inside(1 - n)}.0/24`],
      policies: "yes",
    }),
  }));
}

export const nowhere = ip("10.99.0.200");
