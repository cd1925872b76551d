import { amiss, type Check, unknown, well } from "../check.ts";
import { type ForwardingFound, isUnread, type Read } from "../found.ts";

const area = "forwarding";

/** @param ways how many networks of this host have a way out; undefined where nobody knows */
export function judgeForwarding(found: Read<ForwardingFound>, ways: number | undefined): Check[] {
  const chain = { area, name: "firewall", expected: "an accept for the ways out of networks" } as const;
  if (isUnread(found)) return [unknown({ ...chain, found: found.unread })];
  const { ipForward, dropping, accepts } = found;
  const said = { area, name: "ip_forward", expected: "1 where a network has a way out" } as const;
  return [
    ipForward || !ways
      ? well({ ...said, found: ipForward ? "1" : "0, and no way out that needs it" })
      : amiss("wrong", { ...said, found: "0" }, "the agent sets it: see skein status for why it could not"),
    dropping.length === 0 || accepts
      ? well({ ...chain, found: dropping.length === 0 ? "nothing is dropped by default" : "one that names sku-" })
      : amiss(
          ways ? "wrong" : "warning",
          { ...chain, found: `${dropping.join(", ")} drops by default, and no rule names sku-` },
          remedyOf(found),
        ),
  ];
}

function remedyOf({ dockerUser, dropping }: ForwardingFound): string {
  const chain = dockerUser ? "DOCKER-USER" : "FORWARD";
  if (dockerUser || dropping.some((name) => name.endsWith(" FORWARD")))
    return (
      `iptables -I ${chain} -i sku-+ -j ACCEPT; ` +
      `iptables -I ${chain} -o sku-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`
    );
  return (
    `nft insert rule ${dropping[0]} iifname "sku-*" accept; ` +
    `nft insert rule ${dropping[0]} oifname "sku-*" ct state related,established accept`
  );
}
