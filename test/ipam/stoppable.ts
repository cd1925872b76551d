import type { Client } from "../../src/store/client.ts";

/** The hand of a process that is killed between two calls to etcd. */
export interface Stoppable {
  client: Client;
  /** Calls made so far. */
  calls(): number;
  stopped(): boolean;
}

/**
 * A client whose first `most` calls are done and answered; the next never leaves, and nobody learns of it: as by kill -9.
 * (Killed before the answer of a call that was done, a process leaves in etcd what it leaves killed right after it.)
 */
export function stoppable(client: Client, most: number): Stoppable {
  let calls = 0;
  let stopped = false;
  const guarded =
    <A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> => {
      stopped ||= calls >= most;
      if (stopped) return new Promise(() => {});
      calls++;
      return run(...args);
    };
  return {
    client: {
      ...client,
      call: guarded(client.call) as Client["call"],
      get: guarded(client.get),
      range: guarded(client.range),
      put: guarded(client.put),
      remove: guarded(client.remove),
      commit: guarded(client.commit),
    },
    calls: () => calls,
    stopped: () => stopped,
  };
}
