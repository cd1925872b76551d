import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The part of vitest's JSON report that is counted; a file that could not be loaded has failed without a test in it. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

interface Tally {
  passed: number;
  failed: number;
}

const reports = await mkdtemp(join(tmpdir(), "skein-test-"));
const report = join(reports, "vitest.json");
const tallies: Tally[] = [];
try {
  tallies.push(await step("lint and format", "biome", ["check", "."]));
  tallies.push(await step("types", "tsc", ["--noEmit"]));
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = await run("tests", "vitest", ["run", ...reporters, ...process.argv.slice(2)]);
  tallies.push(await count(code));
} finally {
  await rm(reports, { recursive: true });
}

const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** One check that passes or fails as a whole, counted as one test. */
async function step(title: string, command: string, args: string[]): Promise<Tally> {
  const code = await run(title, command, args);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Runs a tool of node_modules/.bin, which npm puts on PATH; resolves with its exit status, 1 where a signal ended it. */
function run(title: string, command: string, args: string[]): Promise<number> {
  console.log(`\n== ${title}: ${command} ${args[0]}`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit" });
    child.once("error", (cause) =>
      reject(new Error(`Cannot run ${command}: expected npm to put it on PATH`, { cause })),
    );
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** The totals vitest wrote; a run that ended badly with no failed test in it (an unhandled error, a crash) is one failure. */
async function count(code: number): Promise<Tally> {
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(text) as Report;
  const unloaded = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
  const failed = numFailedTests + unloaded;
  return { passed: numPassedTests, failed: code !== 0 && failed === 0 ? 1 : failed };
}
