import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import { ask } from "../../ike/vici/commands.ts";
import { openConnection } from "../../ike/vici/connection.ts";
import { list } from "../../ike/vici/message.ts";
import type { CharonFound } from "../found.ts";
import { reasonOf } from "./text.ts";

/** Where packages put it: Debian's, and strongSwan's own default. */
const binaries = [
  "/usr/sbin/charon-systemd",
  "/usr/local/sbin/charon-systemd",
  "/usr/libexec/strongswan/charon-systemd",
];

/** Never runs charon-systemd, which takes no `--version` for a question: it would start a second daemon. */
export async function findCharon(socket: string): Promise<CharonFound> {
  const binary = binaries.find(isExecutable);
  const [vici, installed] = await Promise.all([askVici(socket), installedVersion()]);
  return { socket, vici, ...(binary !== undefined && { binary }), ...(installed !== undefined && { installed }) };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function askVici(socket: string): Promise<CharonFound["vici"]> {
  try {
    const connection = await openConnection(socket);
    try {
      const said = await ask(connection, "version", {});
      const plugins = list(await ask(connection, "stats", {}), "plugins");
      return { answers: true, version: `${said.daemon ?? "charon"} ${said.version ?? "of no version"}`, plugins };
    } finally {
      connection.close();
    }
  } catch (cause) {
    return { answers: false, why: reasonOf(cause) };
  }
}

/** Of the first line of its help, `strongSwan 5.9.8 swanctl`: asked for its version it asks charon. */
async function installedVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("swanctl", ["--help"], { timeout: 5_000 });
    return /strongSwan (\d[\d.]*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
