import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { conclude, runSuite } from "./suite.ts";

/**
 * The tests that need ESP in the kernel: `node test/vm/run.ts [FILE...]`, as root. All of them are part of `npm test`.
 *
 * They run in one boot of a virtual machine with Debian's stock kernel (`test/vm/vmrun`), or right here where this kernel
 * has all they need. To add one, add a file `test/vm/.../NAME.vm.test.ts`; it is found by its name. Write it as any other
 * test, with `test`, `expect`, `beforeAll`, `afterAll`, `onTestFinished` and so on from `vitest` (what there is of it:
 * `test/vm/vitest.ts`), and import what it needs from the project: the lab, the scene of the end-to-end tests, helpers.
 *
 * - Files with a number run one after another in one process, and share a lab; the others beside them, in another, by the
 *   order of their paths: what starts agents last, so that the first lab has the processors for its own. All on
 *   one kernel: what a test makes it removes, as `createLab` does.
 * - Everything takes some ten times as long as here, the start of a process 0.1 s and an agent's 10 s. So a file makes its
 *   lab once, and waits for events with patience (tests and hooks have 300 s). No test there measures time.
 * - The machine's root file system is this machine's, without its network, and what is written goes with the machine. Its
 *   modules are Debian's: what the kernel asks for is loaded, as on a host.
 * - Programs are bundled: one that a test starts by its path is to be named in `bundle.ts`.
 */
const checkout = join(import.meta.dirname, "../..");

export function suiteFiles(): string[] {
  return globSync("test/vm/**/*.vm.test.ts", { cwd: checkout }).sort();
}

if (import.meta.main) {
  const named = process.argv.slice(2).map((path) => relative(checkout, path));
  process.exitCode = conclude([await runSuite(named.length > 0 ? named : suiteFiles())]);
}
