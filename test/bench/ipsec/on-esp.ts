import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../vm/bundle.ts";
import { lackingHere } from "../../vm/lacking.ts";
import { type RunOptions, runInMachine } from "../../vm/machine.ts";
import type { Left } from "./leave.ts";

/** What a program measured, and where: for a note. */
export interface OnEsp<T> {
  measured: T;
  where: string;
}

/** Seconds; the machine is slow, and so are its labs. */
const limit = 1_200;

/**
 * Runs a program of the bench (a module of this folder) where the kernel has ESP: on this machine, or else in the virtual
 * one, whose processor QEMU interprets. There only ratios mean anything. See leave.ts for how the program answers.
 *
 * `counted`: there, by a clock that counts instructions, on one processor. What keeps a processor busy, such as a stream of
 * packets, is then told by what it costs, to some hundredths; what waits for another processor is not to be told so.
 */
export async function onEsp<T>(name: string, { counted = false } = {}): Promise<OnEsp<T>> {
  const module = `test/bench/ipsec/${name}`;
  const shared = await mkdtemp(join(tmpdir(), "skein-bench-"));
  const answer = join(shared, "measured.json");
  try {
    const { missing } = await lackingHere();
    const isHere = missing.length === 0;
    const status = isHere ? runHere(name, answer) : await inMachine(module, answer, { limit, shared, counted });
    if (status !== 0) throw new Error(`Cannot measure by ${module}: expected status 0, got ${status}; see above`);
    const { measured, kernel } = JSON.parse(await readFile(answer, "utf8")) as Left<T>;
    const clock = counted ? " whose clock counts instructions" : "";
    return { measured, where: isHere ? `Linux ${kernel}` : `in a virtual machine${clock}, Linux ${kernel}` };
  } finally {
    await rm(shared, { recursive: true });
  }
}

/** From the source, compiled as Node does it anywhere; what the machine's bundle is told would be wrong here. */
function runHere(name: string, answer: string): number {
  const { status, error } = spawnSync(process.execPath, [join(import.meta.dirname, name), answer], {
    stdio: ["ignore", 2, 2],
  });
  if (error) throw error;
  return status ?? 1;
}

async function inMachine(module: string, answer: string, options: RunOptions): Promise<number> {
  const made = await bundle([module]);
  try {
    return await runInMachine(made, module, [answer], options);
  } finally {
    await made.remove();
  }
}
