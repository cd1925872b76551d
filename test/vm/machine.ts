import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Bundle } from "./bundle.ts";

export interface RunOptions {
  /** Seconds; nobody waits longer. */
  limit: number;
  /** A directory that what runs may write to, and that is the same in the machine. */
  shared?: string;
  /** By a clock that counts instructions, on one processor: what is timed there does not depend on what else goes on here. */
  counted?: boolean;
}

/** Runs a module of a bundle in a virtual machine, its output here; resolves with its status, or `vmrun`'s. */
export function runInMachine(
  { command, cache }: Bundle,
  module: string,
  args: readonly string[],
  { limit, shared, counted }: RunOptions,
): Promise<number> {
  const share = shared === undefined ? [] : ["-w", shared];
  const options = ["-t", `${limit}`, "-e", `NODE_COMPILE_CACHE=${cache}`, ...share, ...(counted ? ["-i"] : [])];
  return run([join(import.meta.dirname, "vmrun"), ...options, ...command(module), ...args]);
}

/** Runs it on this machine. */
export function runHere({ command, cache }: Bundle, module: string, args: readonly string[]): Promise<number> {
  return run([...command(module), ...args], { ...process.env, NODE_COMPILE_CACHE: cache });
}

/** Resolves with the exit status, 1 where a signal ended it. Who ends this process ends it as well: a machine would go on. */
function run([program, ...args]: [string, ...string[]], env = process.env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env });
    const end = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, end);
      child.once("close", () => process.off(signal, end));
    }
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
