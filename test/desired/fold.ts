import type { Derived, Inputs, Self } from "../../src/desired/inputs.ts";
import { describeRow } from "../../src/desired/print.ts";
import { affected, allUnits, derive, type UnitId } from "../../src/desired/units.ts";
import type { Cidr, Ip } from "../../src/model/address.ts";
import { decode } from "../../src/model/decode.ts";
import { type Change, emptyWorld, put, removeKey, type World } from "../../src/model/world.ts";
import { rowId } from "../../src/reconcile/kind.ts";

/** One change of a record: its new value, or its end. */
export interface Op {
  key: string;
  /** JSON, or anything else for a record that is none; absent: the key is deleted. */
  value?: unknown;
  created: bigint;
}

export const self: Self = {
  host: "h1",
  underlay: { dev: "eth0", address: "192.168.0.1" as Ip, prefix: "192.168.0.0/24" as Cidr, mtu: 1500 },
  uplinks: "169.254.64.0/18" as Cidr,
  ipsec: {
    missing: [],
    ciphers: ["aes128gcm16", "aes128-sha256"],
    encap: true,
    auth: { type: "pubkey", own: `${"o".repeat(42)}A=` },
  },
  protected: [
    { prefix: "192.168.0.0/24" as Cidr, what: "the underlay of eth0" },
    { prefix: "172.31.0.9/32" as Cidr, what: "etcd" },
  ],
};

/** Takes a change into the world the way the agent does. */
export function take(world: World, { key, value, created }: Op): Change {
  if (value === undefined) return removeKey(world, key);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const decoded = decode(key, new TextEncoder().encode(text));
  return decoded && "path" in decoded ? put(world, decoded, created) : removeKey(world, key);
}

export function worldOf(ops: Iterable<Op>): World {
  const world = emptyWorld();
  for (const op of ops) take(world, op);
  return world;
}

export type Result = Map<UnitId, Derived>;

/** Every unit that comes to something, derived from nothing. */
export function deriveAll(inputs: Inputs): Result {
  const result: Result = new Map();
  for (const unit of allUnits(inputs.world)) keep(result, unit, derive(unit, inputs));
  return result;
}

/** What the agent holds after a sequence of changes: only the units a change touched are derived again. */
export class Incremental {
  readonly world = emptyWorld();
  readonly result: Result = new Map();
  readonly self: Self;

  constructor(self: Self) {
    this.self = self;
  }

  take(...ops: Op[]): void {
    const dirty = new Set<UnitId>();
    for (const op of ops) for (const unit of affected(take(this.world, op), this.world, this.self)) dirty.add(unit);
    for (const unit of dirty) keep(this.result, unit, derive(unit, this));
  }
}

function keep(result: Result, unit: UnitId, derived: Derived): void {
  if (derived.rows.length > 0 || derived.skipped) result.set(unit, derived);
  else result.delete(unit);
}

/** One text for what units come to, one line a row or skip, in an order of its own. */
export function print(result: Result): string {
  return [...result]
    .flatMap(([unit, { rows, skipped }]) => [
      ...rows.map((row) => `${unit}: ${describeRow(row)} [${rowId(row)}] <- ${row.because.join(", ")}`),
      ...(skipped ? [`${unit}: skip ${skipped.key}: ${skipped.code} ${skipped.reason}`] : []),
    ])
    .sort()
    .join("\n");
}

/** Lines that only one of two prints has, marked like a diff; empty where they are equal. */
export function difference(was: string, is: string): string {
  const [old, now] = [new Set(was.split("\n")), new Set(is.split("\n"))];
  return [
    ...[...old].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ].join("\n");
}
