import type { KeyObject } from "node:crypto";
import type { PublicKey } from "../desired/rows.ts";
import type { KeyStore } from "./keys.ts";
import { publicKeyOf } from "./public-key.ts";

/** The keys that this host has now, of which it proves itself by the first. */
export interface OwnKeys {
  readonly own: PublicKey;
  /** The one that is to follow; absent where no rotation is under way. */
  readonly next: PublicKey | undefined;
  /** All that charon may be asked to sign by, private. */
  all(): readonly KeyObject[];
  prepare(): Promise<void>;
  /** The next becomes the own; the one before it stays among all until `forget`. */
  promote(): Promise<void>;
  forget(): void;
}

/** @throws KeyFileError */
export async function readOwnKeys(store: KeyStore): Promise<OwnKeys> {
  let own = await store.own();
  let next = await store.next();
  let retired: KeyObject | undefined;
  return {
    get own() {
      return publicKeyOf(own);
    },
    get next() {
      return next && publicKeyOf(next);
    },
    all: () => [own, next, retired].filter((key) => key !== undefined),
    async prepare() {
      next = await store.prepare();
    },
    async promote() {
      if (next === undefined) return;
      await store.promote(next);
      [retired, own, next] = [own, next, undefined];
    },
    forget() {
      retired = undefined;
    },
  };
}
