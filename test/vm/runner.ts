import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import { type File, type Suite, startTests, type Test, type VitestRunner } from "@vitest/runner";

/** How a test ended, as a line of the report. What failed around tests, such as a hook or a file's import, is one as well. */
export interface Ending {
  name: string;
  passed: boolean;
}

/**
 * Runs files of tests, one after another: `runner.js REPORT FILE... [-- FILE...]`; those after `--` at the same time, in a
 * process of their own. Says how each test ended, and adds it to the report at once, so that it is known even if the
 * machine is not heard of again.
 */
const [report, ...files] = process.argv.slice(2) as [string, ...string[]];
const [paths, others] = halves(files);

const runner: VitestRunner = {
  config: {
    root: import.meta.dirname,
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: process.env.CI === undefined,
    sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: (path) => import(path),
  onAfterRunTask: tell,
};

// A test that waits for a process which does not hold this one would else be the end of all.
const held = setInterval(() => {}, 60_000);
const beside = others.length > 0 ? besides(others) : 0;
for (const file of await startTests(paths, runner)) tellAround(file);
process.exitCode = await beside;
clearInterval(held);
process.exit(); // whatever a test that had no more time still holds

function halves(all: string[]): [string[], string[]] {
  const at = all.indexOf("--");
  return at < 0 ? [all, []] : [all.slice(0, at), all.slice(at + 1)];
}

/** Its exit status. */
async function besides(paths: readonly string[]): Promise<number> {
  const args = [...process.execArgv, process.argv[1]!, report, ...paths];
  const [code] = await once(spawn(process.execPath, args, { stdio: "inherit" }), "exit");
  return code ?? 1;
}

/** A suite in which something failed outside of its tests. */
function tellAround(suite: File | Suite): void {
  if (suite.result?.errors?.length) tell(suite);
  for (const task of suite.tasks) if (task.type === "suite") tellAround(task);
}

function tell(task: Test | Suite): void {
  const { state, errors, duration } = task.result ?? {};
  if (state === "skip") return;
  const passed = state === "pass";
  const file = relative(import.meta.dirname, task.file.filepath);
  const name = [file, task.fullTestName].filter((part) => part !== "").join(" > ");
  const took = duration === undefined ? "" : ` (${(duration / 1000).toFixed(1)} s)`;
  console.log(`${passed ? "✓" : "✗"} ${name}${took}`);
  // A stack tells of what was thrown, or of where the test stands that had no more time.
  for (const { message, stack = "", diff = "" } of errors ?? [])
    console.log([message, ...stack.split("\n").filter((line) => /^ +at /.test(line)), diff].join("\n"));
  appendFileSync(report, `${JSON.stringify({ name, passed } satisfies Ending)}\n`);
}
