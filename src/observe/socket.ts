import { lstat, mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";

/** The socket cannot be ours: an agent answers there, or something else stands there. */
export class SocketError extends Error {
  override readonly name = "SocketError";
  readonly code: "TAKEN" | "NO_SOCKET";

  constructor(code: SocketError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Makes way for an agent's socket: its directory is made, the file that a killed agent left is removed. An agent that
 * answers keeps it: two of them would each take the other's rows for drift.
 *
 * @throws SocketError
 */
export async function clearSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const found = await lstat(path).catch(ignoreMissing);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new SocketError("NO_SOCKET", `Cannot listen on ${path}: expected a socket or nothing, got another file`);
  if (await answers(path))
    throw new SocketError(
      "TAKEN",
      `Cannot listen on ${path}: expected no agent there, got one that answers. Stop it, or give this one another --socket`,
    );
  await unlink(path).catch(ignoreMissing);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else reject(error);
    });
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
