import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { join } from "node:path";

/** Of a checkout: the package has no tests, and so no machine. */
const demo = join(import.meta.dirname, "../../../test/vm/demo.ts");

/** Runs the demo in a virtual machine; resolves with its status. */
export async function demoInMachine(args: readonly string[]): Promise<number> {
  await access(demo).catch((cause) => {
    throw new Error("Cannot run the demo in a virtual machine: expected a checkout of Skein", { cause });
  });
  const child = spawn(process.execPath, [demo, ...args], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  return code ?? 1;
}
