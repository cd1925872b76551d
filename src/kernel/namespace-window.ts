import { closeSync, openSync } from "node:fs";
import { checked, type Libc } from "./libc.ts";

export const CLONE_NEWNET = 0x40000000;

/**
 * The thread's stay in another network namespace. Only synchronous calls may be made inside: anything asynchronous may
 * start a thread of libuv's pool, which then lives in that namespace for ever.
 */
export interface NamespaceWindow {
  /** Runs `work` inside the namespace of the descriptor, and comes back whatever happens. */
  inside<T>(fd: number, work: () => T): T;
  /** Runs `work` inside a new namespace, which lives on only through what `work` leaves open or mounted. */
  insideNew<T>(work: () => T): T;
}

/** For the calling thread alone; its present namespace is the one it comes back to. */
export function namespaceWindow(libc: Libc): NamespaceWindow {
  const own = openSync("/proc/thread-self/ns/net", "r");
  return {
    inside(fd, work) {
      checked(libc.setns(fd, CLONE_NEWNET), "enter network namespace");
      return thenBack(work);
    },
    insideNew(work) {
      checked(libc.unshare(CLONE_NEWNET), "make network namespace");
      return thenBack(work);
    },
  };

  function thenBack<T>(work: () => T): T {
    try {
      return work();
    } finally {
      // A thread lost in a container's namespace would write one network's rows into another: no going on from here.
      if (libc.setns(own, CLONE_NEWNET) !== 0) process.abort();
    }
  }
}

/** Closes a descriptor if there is one; for tear-down, where an error has nobody to tell. */
export function closeQuietly(fd: number | undefined): void {
  if (fd === undefined) return;
  try {
    closeSync(fd);
  } catch {
    // EBADF or EIO: either way the descriptor is gone.
  }
}
