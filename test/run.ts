import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { suiteFiles } from "./vm/run.ts";
import { conclude, runSuite, type Tally } from "./vm/suite.ts";

/** The part of vitest's JSON report that is counted; a file that could not be loaded has failed without a test in it. */
interface Report {
  numPassedTests: number;
  testResults: { name: string; status: string; assertionResults: { status: string; fullName: string }[] }[];
}

/** Filters of files, as vitest has them. Without the machine, and so without IPsec's data plane, on a developer's word only. */
const filters = process.argv.slice(2).filter((argument) => argument !== "--no-vm");
const withMachine = filters.length === process.argv.length - 2;
if (!withMachine && process.env.CI !== undefined)
  throw new Error("Cannot leave out tests: expected all of them to run where CI is set, got --no-vm");

const reports = await mkdtemp(join(tmpdir(), "skein-test-"));
const report = join(reports, "vitest.json");
const tallies: Tally[] = [];
try {
  tallies.push(await step("lint and format", "biome", ["check", "."]));
  tallies.push(await step("types", "tsc", ["--noEmit"]));
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const files = withMachine ? suiteFiles().filter(isWanted) : [];
  const mayBeNone = filters.length > 0 && files.length > 0 ? ["--passWithNoTests"] : [];
  const code = await run("tests", "vitest", ["run", ...mayBeNone, ...reporters, ...filters]);
  tallies.push(await count(code));
  if (files.length > 0) {
    console.log(`\n== tests with ESP in the kernel: test/vm/run.ts`);
    tallies.push(await runSuite(files));
  }
} finally {
  await rm(reports, { recursive: true });
}

process.exitCode = conclude(tallies);

/** Whether the filters name it, of those that are no flags of vitest's. */
function isWanted(file: string): boolean {
  const texts = filters.filter((filter) => !filter.startsWith("-"));
  return texts.length === 0 || texts.some((text) => file.includes(text));
}

/** One check that passes or fails as a whole, counted as one test. */
async function step(title: string, command: string, args: string[]): Promise<Tally> {
  const code = await run(title, command, args);
  return code === 0 ? { passed: 1, failed: [] } : { passed: 0, failed: [title] };
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
  if (text === undefined) return { passed: 0, failed: ["vitest, which wrote no report"] };
  const { numPassedTests, testResults } = JSON.parse(text) as Report;
  const failed = testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(process.cwd(), name);
    if (status === "failed" && assertionResults.length === 0) return [file];
    return assertionResults.flatMap((test) => (test.status === "failed" ? [`${file} > ${test.fullName}`] : []));
  });
  return { passed: numPassedTests, failed: code !== 0 && failed.length === 0 ? [`vitest, by status ${code}`] : failed };
}
