import { amiss, type Check, lacking, well } from "../check.ts";
import type { BoundPort, PortsFound } from "../found.ts";

const area = "ports";

export const ikePorts = [500, 4500] as const;
/** RFC 7348: what a network has that names none. */
export const defaultVxlanPort = 4789;

/** @param vxlan of the networks that this host takes part in */
export function judgePorts(found: PortsFound, vxlan: readonly number[], isEncrypted: boolean | undefined): Check[] {
  return [
    ...ikePorts.map((port) => judgeIke(port, found, isEncrypted)),
    ...[...new Set([...vxlan, defaultVxlanPort])]
      .sort((a, b) => a - b)
      .map((port) => judgeVxlan(port, found.bound, vxlan.includes(port))),
  ];
}

/** IKE comes by two ports, and one process has them: a second charon gets none of the packets, and says little of it. */
function judgeIke(port: number, { bound, charon }: PortsFound, isEncrypted: boolean | undefined): Check {
  const said = { area, name: `UDP ${port}`, expected: "Skein's charon, or nobody" } as const;
  const taken = bound.filter((one) => one.port === port);
  const stranger = taken.find(({ owner }) => owner === undefined || owner.pid !== charon?.pid);
  if (taken.length === 0) {
    if (charon === undefined) return well({ ...said, found: "nobody" });
    return amiss(
      lacking(isEncrypted),
      { ...said, found: `nobody, though ${textOf(charon)} is Skein's charon` },
      `let it have the port: charon.port${port === 4500 ? "_nat_t" : ""} in strongswan.conf, then systemctl restart skein-charon`,
    );
  }
  if (stranger === undefined) return well({ ...said, found: textOf(charon) });
  return amiss(
    lacking(isEncrypted),
    { ...said, found: stranger.owner ? textOf(stranger.owner) : "somebody who cannot be seen" },
    `stop it, as in systemctl disable --now ${unitOf(stranger.owner?.name)}, then systemctl restart skein-charon`,
  );
}

function judgeVxlan(port: number, bound: readonly BoundPort[], isUsed: boolean): Check {
  const said = { area, name: `UDP ${port}`, expected: "VXLAN devices of the kernel, or nobody" } as const;
  const taken = bound.filter((one) => one.port === port);
  const owner = taken.find((one) => one.owner)?.owner;
  if (owner === undefined) return well({ ...said, found: taken.length > 0 ? "the kernel" : "nobody" });
  const remedy = "stop that process, or give the networks another port (backend.port)";
  return amiss(isUsed ? "wrong" : "warning", { ...said, found: textOf(owner) }, remedy);
}

function textOf(owner: BoundPort["owner"]): string {
  return owner ? `${owner.name} (pid ${owner.pid})` : "the kernel";
}

const units: Record<string, string> = { charon: "strongswan-starter", "charon-systemd": "strongswan", pluto: "ipsec" };

function unitOf(name = ""): string {
  return units[name] ?? (name || "UNIT");
}
