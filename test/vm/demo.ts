import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { bundle } from "./bundle.ts";
import { runInMachine } from "./machine.ts";

/**
 * The demo in a virtual machine, whose kernel has what encrypted networks need: `npm run demo -- --vm`, which begins here.
 * Arguments are the demo's.
 */
const checkout = join(import.meta.dirname, "../..");
execFileSync("sh", [join(checkout, "deploy/setup.sh"), "vm"], { stdio: ["ignore", 2, 2] });

const made = await bundle([]);
try {
  process.exitCode = await runInMachine(made, "src/lab/demo.ts", process.argv.slice(2), { limit: 1200 });
} finally {
  await made.remove();
}
