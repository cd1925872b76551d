import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";

/** Imported by name, node:http brings fetch and WebSocket along, which takes longer than all the rest. */
const { request } = process.getBuiltinModule("node:http");

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

/**
 * Nobody there, in ways that pass: the file is made by bind() a moment before listen(), and a server that ends drops the
 * connection a moment before its end is known.
 */
const passing: readonly unknown[] = ["ECONNREFUSED", "ECONNRESET", "ENOENT"];

/** Asks a server on a unix socket, which need not be there yet; resolves with the status it answers. */
export function answer(socketPath: string, path: string, signal: AbortSignal): Promise<number | undefined> {
  return onceThere(socketPath, signal, () => get(socketPath, path, signal));
}

/** Resolves when something listens on a unix socket. */
export function connects(socketPath: string, signal: AbortSignal): Promise<void> {
  return onceThere(socketPath, signal, async () => {
    const socket = connect({ path: socketPath, signal });
    await once(socket, "connect");
    socket.destroy();
  });
}

async function onceThere<T>(socketPath: string, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await appears(socketPath, signal);
      return await ask();
    } catch (error) {
      if (!passing.includes((error as NodeJS.ErrnoException).code)) throw error;
      await setImmediate();
    }
  }
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal, agent: false }, (response) => {
      response.resume().on("error", reject);
      response.on("end", () => resolve(response.statusCode));
    });
    asked.on("error", reject);
    asked.end();
  });
}
