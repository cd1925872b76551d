import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { isAsleep, isStopped, startTime } from "../../src/lab/process-stat.ts";

async function node(script: string) {
  const child = spawn(process.execPath, ["-e", `${script}; console.log(); setInterval(() => {}, 1e6)`]);
  await once(child.stdout, "data");
  return { pid: child.pid!, signal: (name: NodeJS.Signals) => child.kill(name), ended: once(child, "exit") };
}

test("a start time is a number of ticks, and that of no process is none", async () => {
  const child = await node("process.title = 'a) b (c'");
  expect(await startTime(child.pid)).toMatch(/^\d+$/);
  expect(Number(await startTime(child.pid))).toBeGreaterThanOrEqual(Number(await startTime(process.pid)));
  child.signal("SIGKILL");
  await child.ended;
  expect(await startTime(child.pid)).toBeUndefined();
});

test("a process is stopped once all its threads are", async () => {
  const child = await node("");
  expect(await isStopped(child.pid)).toBe(false);
  child.signal("SIGSTOP");
  await expect.poll(() => isStopped(child.pid)).toBe(true);
  child.signal("SIGCONT");
  await expect.poll(() => isStopped(child.pid)).toBe(false);
  child.signal("SIGKILL");
  await child.ended;
});

test("a process is asleep while it waits, not while it works, and for ever once it is gone", async () => {
  const [idle, busy] = await Promise.all([node(""), node("setTimeout(() => { for (;;); }, 0)")]);
  await expect.poll(() => isAsleep(idle.pid)).toBe(true);
  await expect.poll(() => isAsleep(busy.pid)).toBe(false);
  for (const { signal, ended } of [idle, busy]) {
    signal("SIGKILL");
    await ended;
  }
  expect(await isAsleep(busy.pid)).toBe(true);
});
