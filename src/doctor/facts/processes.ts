import { readdirSync, readlinkSync } from "node:fs";
import type { Process } from "../found.ts";
import { textOf } from "./text.ts";

/** Who holds each of these sockets, by inode. Of others' processes only root sees what they have open. */
export function holdersOf(inodes: ReadonlySet<string>): Map<string, Process> {
  const holders = new Map<string, Process>();
  if (inodes.size === 0) return holders;
  for (const pid of namesIn("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(targetOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      holders.set(inode, { pid: Number(pid), name: textOf(`/proc/${pid}/comm`) ?? "?" });
    }
  }
  return holders;
}

export function countDescriptors(pid: number): number {
  return namesIn(`/proc/${pid}/fd`).length;
}

/** Empty for a process that has ended meanwhile, or is not ours to look into. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
