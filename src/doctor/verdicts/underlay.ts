import { type Cipher, espRoom } from "../../desired/backends/esp.ts";
import type { NetworkEntry } from "../../observe/answers.ts";
import { amiss, type Check, unknown, well } from "../check.ts";
import { isUnread, type NoUnderlay, type Read, type UnderlayFound } from "../found.ts";

const area = "underlay";
/** Below it, what is sent with IPv6's minimum in mind does not pass (RFC 8200), and nobody tests it. */
const least = 1280;
const vxlanBytes = 50;
const vxlanHeaders = 30;

export interface Sealing {
  ciphers: readonly Cipher[];
  encap: boolean;
}

export function judgeUnderlay(
  found: Read<UnderlayFound | NoUnderlay>,
  networks: readonly NetworkEntry[],
  sealing: Sealing,
): Check[] {
  const said = {
    area,
    name: "interface",
    expected: "the interface that carries the overlay, with an address",
  } as const;
  if (isUnread(found)) return [unknown({ ...said, found: found.unread })];
  if ("missing" in found)
    return [amiss("wrong", { ...said, found: found.missing }, "name another with --underlay, or bring it up")];
  return [judgeReversePath(found), ...judgeMtu(found, networks, sealing)];
}

function judgeReversePath({ dev, rpFilter }: UnderlayFound): Check {
  const said = { area, name: "rp_filter", expected: "0 or 2: peers may be reached by another interface" } as const;
  if (rpFilter !== 1) return well({ ...said, found: `${rpFilter} on ${dev}` });
  const found = `1 (strict) on ${dev}: packets of peers whose way back is another interface are dropped`;
  return amiss(
    "warning",
    { ...said, found },
    `sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.${dev}.rp_filter=2`,
  );
}

function judgeMtu({ dev, mtu }: UnderlayFound, networks: readonly NetworkEntry[], sealing: Sealing): Check[] {
  const interfaceMtu = { area, name: "MTU", expected: `${least + vxlanBytes} or more on every host` } as const;
  const found = `${mtu} on ${dev}`;
  return [
    mtu >= least + vxlanBytes
      ? well({ ...interfaceMtu, found })
      : amiss("warning", { ...interfaceMtu, found }, `raise it, if the wire carries more: ip link set ${dev} mtu 1500`),
    ...networks.map((network) => judgeNetwork(network, roomOf(network, mtu, sealing))),
  ];
}

function judgeNetwork({ network, mtu }: NetworkEntry, room: number): Check {
  const said = { area, name: `MTU of ${network}`, expected: `${least} or more` } as const;
  const holds = Math.min(mtu ?? room, room);
  if (holds < least)
    return amiss(
      "warning",
      { ...said, found: `${holds}` },
      "raise the underlay's MTU, and the network's mtu if it sets one",
    );
  if (mtu !== undefined && mtu > room)
    return amiss(
      "warning",
      {
        ...said,
        expected: `${mtu}, as networks/${network} has it`,
        found: `${room}, which is what the underlay carries`,
      },
      `raise the underlay's MTU on every host by ${mtu - room}, or lower the network's mtu to what the smallest carries`,
    );
  return well({ ...said, found: `${holds}` });
}

function roomOf({ backend, encrypted }: NetworkEntry, mtu: number, sealing: Sealing): number {
  const sealed = espRoom(mtu, sealing);
  if (backend === "ipsec") return sealed;
  if (backend === "host-gw") return mtu;
  return encrypted ? sealed - vxlanHeaders : mtu - vxlanBytes;
}
