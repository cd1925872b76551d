import type { PrivilegesFound } from "../found.ts";
import { textOf } from "./text.ts";

export function findPrivileges(): PrivilegesFound {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf("/proc/self/status") ?? "")?.[1];
  return { uid: process.getuid?.() ?? -1, capabilities: BigInt(`0x${mask ?? "0"}`) };
}
