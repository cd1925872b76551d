import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import type { Scope } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";

/** A network's namespace of its own, deleted when the test ends. */
export interface FreshNamespace {
  /** `skein-<unique>`, as `ip netns` knows it. */
  name: string;
  scope: Scope;
  /** Runs a command inside and answers what it prints. Throws when it fails. */
  run(command: string, ...args: string[]): string;
}

export function freshName(): string {
  return `skein-t${process.pid}x${randomBytes(3).toString("hex")}`;
}

export async function freshNamespace(kernel: Kernel): Promise<FreshNamespace> {
  const name = freshName();
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  const made = await kernel.createNamespace(name);
  if (!made.ok) throw new Error(made.failure.message);
  return {
    name,
    scope: `net:${name.slice("skein-".length)}`,
    run: (command, ...args) =>
      execFileSync("ip", ["netns", "exec", name, command, ...args], { encoding: "utf8", stdio: "pipe" }),
  };
}
