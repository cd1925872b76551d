import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Client } from "../../src/store/client.ts";

/** An allocator in a process of its own. */
export interface AllocatorProcess {
  host: string;
  pid: number;
  /** Lets it begin. */
  go(): void;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
}

const program = join(import.meta.dirname, "allocator-program.ts");

/** Starts allocators of one installation; each resolves when it could begin, and is killed with the test. */
export async function allocatorProcesses(endpoint: string, { prefix }: Pick<Client, "prefix">) {
  const cache = await mkdtemp(join(tmpdir(), "skein-compiled-"));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  return async (host: string): Promise<AllocatorProcess> => {
    const args = [program, endpoint, prefix, host];
    const child = spawn(process.execPath, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const kill = async () => {
      child.kill("SIGKILL");
      await ended;
    };
    onTestFinished(kill);
    await Promise.race([
      once(child.stdout, "data"),
      ended.then(([code, signal]) => {
        throw new Error(`Cannot start an allocator for ${host}: expected it to run, got ${signal ?? `status ${code}`}`);
      }),
    ]);
    return { host, pid: child.pid ?? 0, go: () => void child.stdin.write("go\n"), kill };
  };
}
