import { readFileSync, writeFileSync } from "node:fs";
import type { Failure } from "../reconcile/kind.ts";

/** Dotted as sysctl(8) has it: a slash inside stands for a dot of the file's name. */
const namePattern = /^(?:[A-Za-z0-9_*-][A-Za-z0-9_*/:@-]*)(?:\.[A-Za-z0-9_*-][A-Za-z0-9_*/:@-]*)+$/;

/** The value in the thread's present namespace, trimmed; `undefined` where there is none. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(sysctlPath(name), "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes in the thread's present namespace. */
export function writeSysctl(name: string, value: string): Failure | undefined {
  try {
    writeFileSync(sysctlPath(name), value);
    return undefined;
  } catch (error) {
    const { code = "EINVAL", message } = error as NodeJS.ErrnoException;
    // An interface brings its own sysctls: its coming is the event that wakes this one.
    return { code, message: `Cannot set ${name} to ${value}: ${message}`, next: isMissing(error) ? "wait" : "retry" };
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

function sysctlPath(name: string): string {
  const path = name.replace(/[./]/g, (mark) => (mark === "." ? "/" : "."));
  if (!namePattern.test(name) || path.split("/").includes("..")) {
    throw new RangeError(`Cannot name sysctl: expected dotted words such as net.ipv4.ip_forward, got "${name}"`);
  }
  return `/proc/sys/${path}`;
}
