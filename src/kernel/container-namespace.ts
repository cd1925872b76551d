import { constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { mark } from "../desired/rows.ts";
import { checked, type Libc } from "./libc.ts";
import { isNamespaceFile, listNamespaceFiles } from "./namespace-files.ts";
import { namedNamespaces } from "./namespace-names.ts";
import { CLONE_NEWNET, closeQuietly } from "./namespace-window.ts";

/** open(2)'s O_PATH: names the file without opening it, so that a FIFO or a device put there does nothing. */
const O_PATH = 0o10000000;
/** NS_GET_NSTYPE of nsfs.h. */
const NS_GET_NSTYPE = 0xb703;
/** nsfs.h since Linux 6.18: the inode number of the namespace the machine started with. */
const NET_NS_INIT_INO = 0xeffffff9;
/** The kernel's PATH_MAX is 4096; aliases carry the path, and they end at 255. */
const longestPath = 200;
/** Without spaces, which part the words of an alias. */
const plainPath = /^\/[\x21-\x7e]+$/;
/** As many as the kernel follows (MAXSYMLINKS). */
const mostLinks = 40;

/** Why a namespace may not, or not yet, be touched. */
export class NamespaceError extends Error {
  readonly code: "NETNS_MISSING" | "NETNS_FORBIDDEN";
  constructor(code: NamespaceError["code"], message: string) {
    super(message);
    this.name = "NamespaceError";
    this.code = code;
  }
}

/**
 * Opens the namespace a record names, which is hostile until proven otherwise: only below the configured directories,
 * after every link; only a network namespace; and whatever link or mount leads there, never the one this process or init
 * lives in, and none of our networks'. What is checked last is the opened file itself, so swapping the path gains nothing.
 *
 * @returns a descriptor for setns.
 */
export function openContainerNamespace(libc: Libc, path: string, directories: readonly string[]): number {
  if (!plainPath.test(path) || path.length > longestPath) {
    throw forbidden(path, `an absolute path of at most ${longestPath} printable ASCII characters without spaces`, path);
  }
  const real = resolved(path);
  if (!directories.some((directory) => isBelow(real, directory))) {
    throw forbidden(path, `a path below ${directories.join(", ")}`, real);
  }
  const name = openSync(real, O_PATH);
  try {
    const opened = readlinkSync(`/proc/self/fd/${name}`);
    if (opened !== real && !opened.startsWith("net:[")) throw forbidden(path, real, opened);
    // `ip netns add` makes an empty file first and mounts the namespace on it a moment later.
    if (!isNamespaceFile(`/proc/self/fd/${name}`)) throw missing(path, "a mounted namespace, got another file");
    const fd = openSync(`/proc/self/fd/${name}`, constants.O_RDONLY);
    try {
      checkNamespace(libc, path, fd);
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
    return fd;
  } finally {
    closeQuietly(name);
  }
}

function checkNamespace(libc: Libc, path: string, fd: number): void {
  const type = checked(libc.ioctl(fd, NS_GET_NSTYPE), "ask for the type of a namespace");
  if (type !== CLONE_NEWNET) throw forbidden(path, "a network namespace", `type 0x${type.toString(16)}`);
  const { dev, ino } = fstatSync(fd);
  if (ino === NET_NS_INIT_INO) throw forbidden(path, "a container's own namespace", "the machine's own");
  for (const [whose, file] of reserved()) {
    const other = look(file);
    if (other?.dev === dev && other.ino === ino) throw forbidden(path, "a container's own namespace", whose);
  }
}

function look(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    // Gone since; or init's, which a process without CAP_SYS_PTRACE may not look at.
    return undefined;
  }
}

/** Namespaces that are never a container's. An agent in its own network namespace still sees init's through /proc/1. */
function* reserved(): Iterable<[whose: string, file: string]> {
  yield ["the agent's own", "/proc/self/ns/net"];
  yield ["the machine's own", "/proc/1/ns/net"];
  for (const name of listNamespaceFiles()) {
    if (name.startsWith(mark.namespace)) yield [`the network's ${name}`, join(namedNamespaces, name)];
  }
}

/** realpath, which cannot follow the last step of /proc/<pid>/ns/net: that link leads to no path. */
function resolved(path: string, links = 0): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR") throw missing(path, "a file, got none");
    if (code !== "ENOENT") throw forbidden(path, "a path that can be followed", code ?? "none");
  }
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (!file) throw missing(path, "a file, got none");
  const place = join(realpathSync(dirname(path)), basename(path));
  if (place.startsWith("/proc/")) return place;
  if (!file.isSymbolicLink() || links >= mostLinks) throw missing(path, "a file, got none that can be followed");
  return resolved(resolve(dirname(place), readlinkSync(place)), links + 1);
}

function isBelow(path: string, directory: string): boolean {
  try {
    return path.startsWith(realpathSync(directory) + sep);
  } catch {
    // A configured directory that is not there holds nothing.
    return false;
  }
}

function missing(path: string, what: string): NamespaceError {
  return new NamespaceError("NETNS_MISSING", `Cannot open namespace ${path}: expected ${what}`);
}

function forbidden(path: string, expected: string, got: string): NamespaceError {
  return new NamespaceError("NETNS_FORBIDDEN", `Cannot open namespace ${path}: expected ${expected}, got ${got}`);
}
