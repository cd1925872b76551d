import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { request } from "node:http";
import { dirname } from "node:path";

/** Resolves when the file exists. */
export async function appears(path: string, signal: AbortSignal): Promise<void> {
  const watcher = watch(dirname(path));
  try {
    for (;;) {
      // Listening comes before looking, so nothing can happen unseen in between.
      const changed = once(watcher, "change", { signal });
      changed.catch(() => {}); // aborted when nobody waits for it any more
      if (existsSync(path)) return;
      await changed;
    }
  } finally {
    watcher.close();
  }
}

/** The answer to GET on a unix socket, whatever its status. */
export function get(
  socketPath: string,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
    });
    asked.on("error", reject);
    asked.end();
  });
}
