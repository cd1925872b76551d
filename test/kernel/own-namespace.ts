import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { checked, loadLibc } from "../../src/kernel/libc.ts";
import { CLONE_NEWNET } from "../../src/kernel/namespace-window.ts";

/**
 * Moves this thread, and with it what it starts from now on, into a network namespace that nobody else has: what
 * belongs in the host's own is tried out here. Answers the way back.
 */
export function enterOwnNamespace(): () => void {
  const libc = loadLibc();
  const before = openSync("/proc/thread-self/ns/net", "r");
  checked(libc.unshare(CLONE_NEWNET), "make network namespace");
  execFileSync("ip", ["link", "set", "lo", "up"]);
  return () => {
    checked(libc.setns(before, CLONE_NEWNET), "leave network namespace");
    closeSync(before);
  };
}
