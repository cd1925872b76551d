import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const bin = join(import.meta.dirname, "../../src/bin.ts");

/** Runs `skein` as a shell would, in UTC and without the caller's own settings for it. */
export async function skein(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const own = Object.entries(process.env).filter(([name]) => !/^SKEIN_|^(NO|FORCE)_COLOR$/.test(name));
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...Object.fromEntries(own), TZ: "UTC", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, stdout, stderr };
}
