import { amiss, type Check, unknown, well } from "../check.ts";
import { type ClockFound, type DescriptorsFound, isUnread, type Read, type StateFound } from "../found.ts";

const area = "host";

/** No row and no tunnel depends on it; certificates, times in records and the rest of addresses do. */
export function judgeClock(found: Read<ClockFound>): Check[] {
  const said = { area, name: "clock", expected: "synchronised" } as const;
  if (isUnread(found)) return [unknown({ ...said, found: found.unread })];
  if (found.isSynchronised)
    return [well({ ...said, found: `synchronised, at most ${Math.ceil(found.errorMs)} ms off` })];
  return [
    amiss("warning", { ...said, found: "not synchronised" }, "apt-get install chrony, or timedatectl set-ntp true"),
  ];
}

export function judgeState({ path, directory, secrets, unseen }: StateFound): Check[] {
  const said = { area, name: "state", expected: `${path}, root's, 0700, on a disk` } as const;
  if (directory === undefined) return [well({ ...said, found: "none yet: the agent's first start makes it" })];
  const { mode, uid, isVolatile } = directory;
  const found = `mode 0${mode.toString(8)}, user ${uid}`;
  const isOpen = (mode & 0o022) !== 0 || uid !== 0;
  return [
    isOpen
      ? amiss(
          "wrong",
          { ...said, found: `${found}: others may write there` },
          `chown root: ${path}; chmod 0700 ${path}`,
        )
      : isVolatile
        ? amiss(
            "wrong",
            { ...said, found: "in memory: the host's key goes with a reboot" },
            "name a directory on a disk with --state",
          )
        : well({ ...said, found }),
    ...secrets.map(judgeSecret),
    ...(unseen === undefined ? [] : [unknown({ area, name: "secrets", expected: "root's, 0600", found: unseen })]),
  ];
}

function judgeSecret({ path, mode, uid }: StateFound["secrets"][number]): Check {
  const said = { area, name: "secret", expected: `${path}, root's, 0600` } as const;
  const found = `mode 0${mode.toString(8)}, user ${uid}`;
  if (uid === 0 && (mode & 0o077) === 0) return well({ ...said, found });
  const remedy = `chown root: ${path}; chmod 0600 ${path}; if others may have read it, skein keys rotate`;
  return amiss("wrong", { ...said, found }, remedy);
}

export function judgeDescriptors({ open, limit }: DescriptorsFound): Check[] {
  const said = {
    area,
    name: "descriptors",
    expected: "less than 80 % of the agent's limit",
    found: `${open} of ${limit}`,
  } as const;
  if (open * 100 < limit * 80) return [well(said)];
  return [amiss("warning", said, "raise LimitNOFILE of the unit skein: systemctl edit skein")];
}
