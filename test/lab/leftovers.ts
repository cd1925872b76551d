import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Processes whose environment or command line holds this text. */
export async function processesWith(file: "environ" | "cmdline", text: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const holding = async (pid: string) =>
    (await readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")).includes(text);
  const found = await Promise.all(pids.map(holding));
  return pids.filter((_, index) => found[index]).map(Number);
}

/** Resolves when the file is no more. */
export async function gone(path: string): Promise<void> {
  const watcher = watch(dirname(path));
  try {
    for (;;) {
      const changed = once(watcher, "change");
      if (!existsSync(path)) return;
      await changed;
    }
  } finally {
    watcher.close();
  }
}
