import { setMaxListeners } from "node:events";
import { Etcd3, GRPCDeadlineExceededError, type IKeyValue } from "etcd3";
import type { Revision } from "../model/revision.ts";
import { type ConnectOptions, etcdOptions } from "./connection.ts";
import { StoreError, storeError } from "./failure.ts";
import { type KeyRange, keyRange } from "./key-range.ts";
import { signIn } from "./sign-in.ts";
import { type Stored, stored } from "./stored.ts";
import { type Commit, commit, type Expectation, type Write } from "./transaction.ts";

/** A key space of one installation in etcd. Keys go without the installation's prefix; every failure is a StoreError. */
export interface Client {
  /** The library's client, for streams. */
  readonly etcd: Etcd3;
  /** The installation's prefix, ending in a slash: `/skein/v1/`. */
  readonly prefix: string;
  /** Aborted by `close`; streams end with it. */
  readonly signal: AbortSignal;
  get(key: string): Promise<Stored | undefined>;
  /** Every key below `prefix` at one revision; for the few, `listWatch` is for the many. */
  range(prefix: string): Promise<{ revision: Revision; records: Stored[] }>;
  put(key: string, value: string | Buffer): Promise<Revision>;
  /** Removing what is not there succeeds. */
  remove(key: string): Promise<{ revision: Revision; removed: boolean }>;
  /** All writes, if every expectation holds, or none. Not repeated on failure: its outcome may then be unknown. */
  commit(expectations: readonly Expectation[], writes: readonly Write[]): Promise<Commit>;
  /**
   * Runs one unary call of the library: a refused token is renewed once, and a call that `repeatable` says may run twice is
   * tried on another endpoint. `what` names it in errors, as in `put networks/blue`.
   */
  call<T>(what: string, run: () => Promise<T>, repeatable: boolean): Promise<T>;
  /** The range of every key that begins with `prefix`. */
  rangeOf(prefix: string): KeyRange;
  /** Ends calls and streams; nothing of it keeps the process alive. */
  close(): void;
}

/** Dials nothing yet: an etcd that is down fails the calls, not this. */
export function connect(options: ConnectOptions): Client {
  const settings = etcdOptions(options);
  const etcd = new Etcd3(settings);
  const session = signIn(etcd, settings, options.user);
  const given = options.prefix ?? "/skein/v1";
  const prefix = given === "" || given.endsWith("/") ? given : `${given}/`;
  const skip = Buffer.byteLength(prefix);
  const closing = new AbortController();
  // One listener a watch, and there is a watch a network.
  setMaxListeners(0, closing.signal);

  const call = async <T>(what: string, run: () => Promise<T>, repeatable: boolean): Promise<T> => {
    let tries = repeatable ? Math.max(2, options.endpoints.length) : 1;
    let renewed = false;
    for (;;) {
      if (closing.signal.aborted)
        throw new StoreError("closed", `Cannot ${what}: expected an open client, got one that is closed`);
      try {
        return await run();
      } catch (cause) {
        const error = storeError(what, cause);
        if (!renewed && session.renew(error.code)) {
          renewed = true;
        } else if (
          error.code !== "unavailable" ||
          --tries <= 0 ||
          (isSilent(cause) && options.endpoints.length === 1)
        ) {
          throw error;
        }
      }
    }
  };
  const fullKey = (key: string) => Buffer.from(prefix + key);
  const record = (kv: IKeyValue) => stored(kv, skip);

  return {
    etcd,
    prefix,
    signal: closing.signal,
    call,
    rangeOf: (below) => keyRange(prefix + below),
    async get(key) {
      const answer = await call(`get ${key}`, () => etcd.kv.range({ key: fullKey(key) }), true);
      return answer.kvs[0] && record(answer.kvs[0]);
    },
    async range(below) {
      const { start, end } = keyRange(prefix + below);
      const answer = await call(`list ${below}`, () => etcd.kv.range({ key: start, range_end: end }), true);
      return { revision: answer.header.revision as Revision, records: answer.kvs.map(record) };
    },
    async put(key, value) {
      const request = { key: fullKey(key), value: Buffer.from(value) };
      return (await call(`put ${key}`, () => etcd.kv.put(request), true)).header.revision as Revision;
    },
    async remove(key) {
      const answer = await call(`remove ${key}`, () => etcd.kv.deleteRange({ key: fullKey(key) }), true);
      return { revision: answer.header.revision as Revision, removed: answer.deleted !== "0" };
    },
    commit: (expectations, writes) =>
      call(
        `write ${writes.map((write) => write.key).join(", ")}`,
        () => commit(etcd.kv, { fullKey, record }, expectations, writes),
        false,
      ),
    close() {
      closing.abort();
      session.close();
      etcd.close();
    },
  };
}

/** Nothing was answered in time: to ask the same member again would only double the wait. */
function isSilent(cause: unknown): boolean {
  return cause instanceof GRPCDeadlineExceededError;
}
