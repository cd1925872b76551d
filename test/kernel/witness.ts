import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import type { Kind, Scope } from "../../src/desired/rows.ts";
import type { Drivers, Notice } from "../../src/reconcile/kind.ts";

/** A container's namespace under /run/netns, deleted when the test ends. */
export interface FreshContainer {
  name: string;
  path: string;
  scope: Scope;
  ip(...args: string[]): string;
}

export function freshContainer(): FreshContainer {
  const name = `ct${process.pid}x${randomBytes(3).toString("hex")}`;
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  execFileSync("ip", ["netns", "add", name]);
  const path = `/run/netns/${name}`;
  return { name, path, scope: `at:${path}`, ip: (...args) => run("ip", "-n", name, ...args) };
}

export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: "pipe" });
}

/** What `ip -json` or `bridge -json` prints in a namespace, as data. */
export function witness(tool: "ip" | "bridge", namespace: string, ...args: string[]): Record<string, unknown>[] {
  return JSON.parse(run(tool, "-n", namespace, "-json", "-details", ...args) || "[]") as Record<string, unknown>[];
}

/** The next notice that fits, or a failure after the test's own time. */
export function nextNotice(drivers: Drivers, fits: (notice: Notice) => boolean): Promise<Notice> {
  return new Promise((resolve) => {
    const subscription = drivers.link.notices$.subscribe((notice) => {
      if (!fits(notice)) return;
      subscription.unsubscribe();
      resolve(notice);
    });
  });
}

export function isAbsent(kind: Kind, key: string): (notice: Notice) => boolean {
  return (notice) => notice.type === "absent" && notice.kind === kind && notice.key === key;
}

export function isPresent(kind: Kind, key: string): (notice: Notice) => boolean {
  return (notice) => notice.type === "present" && notice.row.kind === kind && notice.row.key === key;
}
