import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { isMarked, markVariable } from "../../src/lab/mark.ts";

test("a process is known by its mark, and by nothing else", async () => {
  const env = { ...process.env, [markVariable]: "blue" };
  const child = spawn("sleep", ["1000"], { env });
  const exit = once(child, "exit");
  await once(child, "spawn");
  expect(await isMarked(child.pid!, "blue")).toBe(true);
  expect(await isMarked(child.pid!, "blu")).toBe(false);
  expect(await isMarked(process.pid, "blue")).toBe(false);

  child.kill("SIGKILL");
  await exit;
  expect(await isMarked(child.pid!, "blue")).toBe(false);
});
