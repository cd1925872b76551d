import { decode, type Rejection } from "../model/decode.ts";
import type { RecordKey } from "../model/keys.ts";
import { type Change, emptyWorld, put, removeKey, type World } from "../model/world.ts";
import type { Derived, Self, Skip } from "./inputs.ts";
import { affected, allUnits, attachmentsOf, derive, networkOf, type UnitId } from "./units.ts";

/** A record as it came from the store. */
export type News =
  | { type: "put"; key: string; value: Uint8Array; revision: string; created: string }
  | { type: "delete"; key: string; revision: string };

/** What was rejected, and stays so until the key changes. */
export interface Rejected extends Rejection {
  key: string;
  revision: string;
}

/** What one piece of news came to. */
export interface Taken {
  units: Set<UnitId>;
  change: Change;
  rejected?: Rejected;
}

/**
 * What is declared, and what follows from it for this host: the world, the records that are none, and what each unit
 * was skipped for. Holds no kernel state and knows no clock; the same records give the same wishes, however they came.
 */
export interface Declared {
  readonly world: World;
  readonly rejected: ReadonlyMap<string, Rejected>;
  /** By unit. */
  readonly skipped: ReadonlyMap<UnitId, Skip>;
  take(news: News): Taken;
  /** Drops what was told of a network's keyspace, what is no record included; answers what that alters. */
  forget(net: string): Set<UnitId>;
  derive(unit: UnitId): Derived;
  /** This host's own facts changed; answers every unit, since all may depend on them. */
  become(self: Self): Iterable<UnitId>;
  self(): Self;
  /** Every unit, some twice. */
  all(): Iterable<UnitId>;
}

export function createDeclared(initial: Self): Declared {
  const world = emptyWorld();
  const rejected = new Map<string, Rejected>();
  const skipped = new Map<UnitId, Skip>();
  let self = initial;

  function take(news: News): Taken {
    const decoded = news.type === "put" ? decode(news.key, news.value) : undefined;
    if (news.type === "put" && decoded && "path" in decoded) {
      rejected.delete(news.key);
      return touched(put(world, decoded, BigInt(news.created)));
    }
    // A record that turned into none is gone: its old meaning must not outlive it.
    const taken = touched(removeKey(world, news.key));
    rejected.delete(news.key);
    if (decoded && "rejected" in decoded) {
      taken.rejected = { key: news.key, revision: news.revision, ...decoded.rejected };
      rejected.set(news.key, taken.rejected);
    }
    return taken;
  }

  function touched(change: Change): Taken {
    return { change, units: affected(change, world, self) };
  }

  return {
    world,
    rejected,
    skipped,
    take,
    forget(net) {
      const units = new Set<UnitId>();
      for (const key of rejected.keys()) if (key.startsWith(`keyspaces/${net}/`)) rejected.delete(key);
      for (const key of keysOf(net, world)) for (const unit of touched(removeKey(world, key)).units) units.add(unit);
      return units;
    },
    derive(unit) {
      const derived = derive(unit, { world, self });
      if (derived.skipped) skipped.set(unit, derived.skipped);
      else skipped.delete(unit);
      return derived;
    },
    become(next) {
      self = next;
      return allUnits(world);
    },
    self: () => self,
    *all() {
      yield* attachmentsOf(world, self.host);
      yield* allUnits(world);
    },
  };
}

/** What of a network was skipped. */
export function skippedOf(net: string, skipped: ReadonlyMap<UnitId, Skip>): Skip[] {
  return [...skipped].filter(([unit]) => networkOf(unit) === net).map(([, skip]) => skip);
}

function keysOf(net: string, { keyspaces }: World): RecordKey[] {
  const keyspace = keyspaces.get(net);
  if (keyspace === undefined) return [];
  const { members, blocks, containers } = keyspace;
  return [
    ...[...members.values(), ...blocks.values()].map(({ key }) => key),
    ...[...containers.values()].flatMap((ofHost) => [...ofHost.values()].map(({ key }) => key)),
  ];
}
