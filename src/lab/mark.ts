import { readFile } from "node:fs/promises";

/**
 * Every process of a lab, and whatever such a process starts, carries the lab's name in its environment. That is how all
 * of them are found at the end, in whatever namespace, session or process group they hide, and why a process number that
 * was given out again is never killed.
 */
export const markVariable = "SKEIN_LAB";

export async function isMarked(pid: number, lab: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return environment.split("\0").includes(`${markVariable}=${lab}`);
}
