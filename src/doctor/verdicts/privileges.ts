import { amiss, type Check, well } from "../check.ts";
import type { PrivilegesFound } from "../found.ts";

/** Bits of capabilities(7) that an agent cannot do without. */
const needed = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const;

export function judgePrivileges({ uid, capabilities }: PrivilegesFound): Check[] {
  const missing = Object.entries(needed).flatMap(([name, bit]) => ((capabilities >> BigInt(bit)) & 1n ? [] : [name]));
  const said = { area: "host", name: "privileges", expected: `root with ${Object.keys(needed).join(", ")}` } as const;
  if (uid === 0 && missing.length === 0) return [well({ ...said, found: "root, with all of them" })];
  if (uid !== 0)
    return [amiss("wrong", { ...said, found: `user ${uid}` }, "become root: much of what follows can be seen only so")];
  const found = `root without ${missing.join(", ")}`;
  return [amiss("wrong", { ...said, found }, "give them to the container or unit that this runs in")];
}
