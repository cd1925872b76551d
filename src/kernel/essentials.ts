import type { Kernel, Trial } from "./kernel.ts";
import * as c from "./netlink/constants.ts";
import { MessageWriter } from "./netlink/writer.ts";

/** Something of the kernel that every network needs. */
export interface Essential {
  /** In an operator's words, with the module that has it. */
  name: string;
  /** The errno's name; absent where the kernel has it. */
  failure?: string;
}

const links: readonly [kind: string, name: string, data?: (writer: MessageWriter) => void][] = [
  ["bridge", "bridges (CONFIG_BRIDGE, module bridge)"],
  ["veth", "veth pairs (CONFIG_VETH, module veth)"],
  ["vxlan", "VXLAN devices (CONFIG_VXLAN, module vxlan)", (writer) => writer.number(c.IFLA_VXLAN_ID, 1)],
];

const tables: readonly [name: string, commands: readonly string[]][] = [
  [
    "nftables with NAT (CONFIG_NF_TABLES_INET, CONFIG_NFT_MASQ, modules nf_tables and nft_masq)",
    [
      "add table inet probe",
      "add chain inet probe out { type nat hook postrouting priority 100; }",
      'add rule inet probe out ct state new oifname "probe" masquerade',
    ],
  ],
  [
    "nftables for bridges (CONFIG_NF_TABLES_BRIDGE, module nf_tables_bridge)",
    ["add table bridge probe", "add chain bridge probe in { type filter hook prerouting priority 0; }"],
  ],
];

/**
 * What the kernel has of what every network needs, found out by asking for each thing where nobody else sees it. Throws
 * where no namespace can be made to ask in.
 */
export async function probeEssentials(kernel: Kernel): Promise<Essential[]> {
  const trials = [
    ...links.map(([kind, , data]): Trial => ({ protocol: "route", message: linkRequest(kind, data) })),
    ...tables.map(([, commands]): Trial => ({ protocol: "nftables", commands: commands.join("\n") })),
  ];
  const answer = await kernel.probe(trials);
  if (!answer.ok) throw new Error(`Cannot find out what the kernel has: ${answer.failure.message}`);
  const names = [...links.map(([, name]) => name), ...tables.map(([name]) => name)];
  return names.map((name, at) => {
    const failure = answer.value[at];
    return { name, ...(failure !== undefined && { failure }) };
  });
}

function linkRequest(kind: string, data?: (writer: MessageWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  // struct ifinfomsg: family, pad, type, index, flags, change.
  writer
    .begin(c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL)
    .u8(c.AF_UNSPEC, 0)
    .u16(0)
    .u32(0)
    .u32(0)
    .u32(0);
  writer.text(c.IFLA_IFNAME, `probe-${kind}`).nested(c.IFLA_LINKINFO, () => {
    writer.text(c.IFLA_INFO_KIND, kind);
    if (data) writer.nested(c.IFLA_INFO_DATA, () => data(writer));
  });
  return writer.finish();
}
