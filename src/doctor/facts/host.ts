import { readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import type { ClockFound, DescriptorsFound, Read, StateFound } from "../found.ts";
import { countDescriptors } from "./processes.ts";
import { reasonOf, textOf } from "./text.ts";

/** struct timex of adjtimex(2) on 64 bits, and what is read of it. */
const timex = { bytes: 208, maxerror: 24, status: 40 } as const;
/** STA_UNSYNC */
const unsynchronised = 0x40;

/** The kernel's own word for it, whoever keeps the clock: chrony, ntpd, systemd-timesyncd. */
export function findClock(): Read<ClockFound> {
  const buffer = Buffer.alloc(timex.bytes);
  const adjtimex = koffi.load("libc.so.6").func("int adjtimex(void *buf)");
  if (adjtimex(buffer) < 0) return { unread: "adjtimex is refused here" };
  const status = buffer.readInt32LE(timex.status);
  const microseconds = Number(buffer.readBigInt64LE(timex.maxerror));
  return { isSynchronised: (status & unsynchronised) === 0, errorMs: microseconds / 1000 };
}

const tmpfs = 0x01021994;
const ramfs = 0x858458f6;

/** @param pskFile the secret of all hosts, where the configuration names one */
export function findState(path: string, pskFile: string | undefined): StateFound {
  const directory = modeOf(path);
  const { keys, unseen } = directory ? keysIn(path) : { keys: [] };
  const secrets = [...keys, ...(pskFile === undefined ? [] : [pskFile])].flatMap((file) => {
    const found = modeOf(file);
    return found ? [{ path: file, ...found }] : [];
  });
  const rest = { secrets, ...(unseen !== undefined && { unseen }) };
  if (directory === undefined) return { path, ...rest };
  const { type } = statfsSync(path);
  return { path, ...rest, directory: { ...directory, isVolatile: type === tmpfs || type === ramfs } };
}

function modeOf(path: string): { mode: number; uid: number } | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { mode: found.mode & 0o7777, uid: found.uid };
}

/** Keys lie in the directory itself or one below, as files that end in .key, .pem or .psk. */
function keysIn(directory: string): { keys: string[]; unseen?: string } {
  try {
    return { keys: keyFiles(directory) };
  } catch (cause) {
    return { keys: [], unseen: reasonOf(cause) };
  }
}

function keyFiles(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  const below = entries
    .filter((entry) => entry.isDirectory() && entry.name !== "etcd")
    .flatMap(({ name }) => readdirSync(join(directory, name)).map((file) => join(name, file)));
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  return [...files, ...below].filter((name) => /\.(?:key|pem|psk)$/.test(name)).map((name) => join(directory, name));
}

export function findDescriptors(pid: number): DescriptorsFound | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(textOf(`/proc/${pid}/limits`) ?? "")?.[1];
  const open = countDescriptors(pid);
  return soft === undefined || open === 0 ? undefined : { open, limit: Number(soft) };
}
