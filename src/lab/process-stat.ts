import { readdir, readFile } from "node:fs/promises";

/**
 * When a process started, in clock ticks since boot: with its number, its identity. `undefined` where there is none.
 */
export async function startTime(pid: number): Promise<string | undefined> {
  return (await fields(`/proc/${pid}/stat`))?.[19];
}

/** Whether all threads of a process are stopped by SIGSTOP. */
export async function isStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = await Promise.all(threads.map((thread) => fields(`/proc/${pid}/task/${thread}/stat`)));
  return states.every((stat) => stat === undefined || stat[0] === "T");
}

/** Whether a process has nothing to do but wait for something, or is no more. */
export async function isAsleep(pid: number): Promise<boolean> {
  const stat = await fields(`/proc/${pid}/stat`);
  return stat === undefined || stat[0] === "S";
}

/** The fields from the third on. The second is the command's name, and may hold spaces and parentheses. */
async function fields(file: string): Promise<string[] | undefined> {
  const stat = await readFile(file, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}
