import type { PublicKey } from "../../src/desired/rows.ts";
import type { OwnKeys } from "../../src/ike/own-keys.ts";

export const oldKey = `${"o".repeat(42)}A=` as PublicKey;
export const newKey = `${"n".repeat(42)}A=` as PublicKey;

/** Keys without files and without private halves; `did` is told of each step before it is taken, and may throw. */
export interface FakeOwnKeys extends OwnKeys {
  /** Public halves of what charon would be told. */
  loaded(): PublicKey[];
}

export function fakeOwnKeys(did: (step: string) => void, begun = false): FakeOwnKeys {
  let own = oldKey;
  let next = begun ? newKey : undefined;
  let retired: PublicKey | undefined;
  return {
    get own() {
      return own;
    },
    get next() {
      return next;
    },
    all: () => [],
    loaded: () => [own, next, retired].filter((key) => key !== undefined),
    async prepare() {
      did("prepare");
      next ??= newKey;
    },
    async promote() {
      did("promote");
      if (next === undefined) throw new Error("promoted twice");
      [retired, own, next] = [own, next, undefined];
    },
    forget() {
      did("forget");
      retired = undefined;
    },
  };
}
