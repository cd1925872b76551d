import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Bundle, bundle } from "./bundle.ts";
import { lackingHere } from "./lacking.ts";
import { runHere, runInMachine } from "./machine.ts";
import type { Ending } from "./runner.ts";

export interface Tally {
  passed: number;
  /** By name. */
  failed: readonly string[];
}

/** The last lines of a run: what failed, so that nobody has to look for it, and the counts. Answers the exit status. */
export function conclude(tallies: readonly Tally[]): number {
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.flatMap((tally) => tally.failed);
  console.log(["", ...failed.map((name) => `✗ ${name}`), `${passed} passed, ${failed.length} failed`].join("\n"));
  return failed.length === 0 && passed > 0 ? 0 : 1;
}

/** Seconds for the whole suite: some five minutes, and more where others work on this machine. */
const limit = 2400;

/**
 * Runs files of tests (by their paths in the checkout) in one boot of a machine, or on this one where its kernel has what
 * they need, and prints how each test ended. That the machine fails, or ends early, counts as a failed test, and so does a
 * bundle that cannot be made.
 */
export async function runSuite(files: readonly string[]): Promise<Tally> {
  const reports = await mkdtemp(join(tmpdir(), "skein-vm-reports-"));
  const report = join(reports, "endings");
  let made: Bundle | undefined;
  try {
    made = await bundle(["test/vm/runner.ts", ...files]);
    const code = await runFiles(made, files, reports, report);
    return tally(code, await endings(report));
  } catch (error) {
    console.log("✗ the suite: expected to run, got", error);
    return { passed: 0, failed: ["the suite in the machine"] };
  } finally {
    await made?.remove();
    await rm(reports, { recursive: true });
  }
}

async function runFiles(made: Bundle, files: readonly string[], reports: string, report: string): Promise<number> {
  const { missing } = await lackingHere();
  const compiled = inTwo(files).map((file) =>
    file === "--" ? file : join(made.directory, file.replace(/\.ts$/, ".js")),
  );
  if (missing.length === 0) return runHere(made, "test/vm/runner.ts", [report, ...compiled]);
  console.log(`In a virtual machine, for this kernel lacks ${missing.join("; ")}`);
  return runInMachine(made, "test/vm/runner.ts", [report, ...compiled], { limit, shared: reports });
}

/** Files with numbers share a lab and go one after the other; the others go beside them, since either waits a lot. */
function inTwo(files: readonly string[]): readonly string[] {
  const { ordered = [], free = [] } = Object.groupBy(files, (file) =>
    /^\d-/.test(basename(file)) ? "ordered" : "free",
  );
  return ordered.length > 0 && free.length > 0 ? [...ordered, "--", ...free] : files;
}

async function endings(report: string): Promise<Ending[]> {
  const text = await readFile(report, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

function tally(code: number, ended: readonly Ending[]): Tally {
  const passed = ended.filter((ending) => ending.passed).length;
  const failed = ended.flatMap(({ passed, name }) => (passed ? [] : [name]));
  if (code === 0) return { passed, failed };
  console.log(`✗ the suite: expected to run to its end, got status ${code} after ${ended.length} tests`);
  return { passed, failed: [...failed, "the suite in the machine"] };
}
