import { ciphers } from "../../desired/backends/esp.ts";
import { amiss, type Check, lacking, unknown, well } from "../check.ts";
import { isUnread, type KernelFound } from "../found.ts";

const area = "kernel";
/** Addresses have had an owner (IFA_PROTO) since then: on older ones ours cannot be told from others'. */
const oldest = [5, 18] as const;

export function judgeKernel(found: KernelFound, isEncrypted: boolean | undefined): Check[] {
  return [judgeRelease(found.release), ...judgeEssentials(found), ...judgeIpsec(found, isEncrypted)];
}

function judgeRelease(release: string): Check {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const said = { area, name: "release", expected: `Linux ${oldest.join(".")} or newer`, found: release } as const;
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return well(said);
  return amiss("warning", said, "install a newer kernel, on Debian linux-image-amd64, and reboot");
}

function judgeEssentials({ essentials, modules }: KernelFound): Check[] {
  const said = { area, name: "networks", expected: "what every network needs" } as const;
  if (isUnread(essentials)) return [unknown({ ...said, found: essentials.unread })];
  return essentials.has.map(({ name, failure }) => {
    const one = { area, name: name.replace(/ \(.*/, ""), expected: name } as const;
    if (failure === undefined) return well({ ...one, found: "there" });
    return amiss("wrong", { ...one, found: `none (${failure})` }, moduleRemedy(name, modules));
  });
}

function judgeIpsec({ ipsec, modules }: KernelFound, isEncrypted: boolean | undefined): Check[] {
  const said = { area, name: "IPsec", expected: "XFRM with interfaces, ESP, nftables' ipsec" } as const;
  if (isUnread(ipsec)) return [unknown({ ...said, found: ipsec.unread })];
  const refused = isEncrypted === true ? "encrypted networks are refused here" : "encrypted networks would be refused";
  if (ipsec.missing.length > 0)
    return ipsec.missing.map((name) =>
      amiss(lacking(isEncrypted), { ...said, found: `no ${name}: ${refused}` }, moduleRemedy(name, modules)),
    );
  return [
    well({ ...said, found: "there" }),
    ...Object.keys(ciphers).map((cipher) => {
      const one = { area, name: `cipher ${cipher}`, expected: "a cipher that peers may have in common" } as const;
      if ((ipsec.ciphers as readonly string[]).includes(cipher)) return well({ ...one, found: "there" });
      return amiss("warning", { ...one, found: "none: another one is taken" }, moduleRemedy(cipher, modules));
    }),
  ];
}

/** A kernel that was replaced on disk while it runs can load nothing more: the most frequent cause, and the least seen. */
function moduleRemedy(name: string, { present, locked }: KernelFound["modules"]): string {
  if (locked)
    return "kernel.modules_disabled is 1 until the next boot: reboot, and load what is needed before it is set";
  if (!present)
    return "nothing can be loaded, there is no /lib/modules of this release: reboot after an upgrade, else use a kernel that has it";
  const named = /modules? ([a-z0-9_]+)(?: and ([a-z0-9_]+))?/.exec(name);
  if (!named) return "use a kernel that has it: Debian's linux-image-amd64 does";
  return `modprobe ${named.slice(1).filter(Boolean).join(" ")}; where there is none, use a kernel that has it, as Debian's`;
}
