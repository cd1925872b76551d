import type { Nft, Route } from "../desired/rows.ts";
import type { Observed } from "../reconcile/kind.ts";

/** One row as an operator would read it, in the words of ip, bridge, nft and sysctl; the scope comes first. */
export function rowText(row: Observed): string {
  return `${row.scope}: ${objectText(row)}`;
}

function objectText(row: Observed): string {
  const { kind, key, value } = row as { [K in Observed["kind"]]: Observed<K> & { kind: K } }[Observed["kind"]];
  switch (kind) {
    case "namespace":
      return `netns ${key}`;
    case "sysctl":
      return `sysctl ${key} = ${value.value}`;
    case "guard":
    case "translation":
      return nftText(value);
    case "link":
      return words(
        "link",
        key,
        ...linkWords(value),
        value.mac && `address ${value.mac}`,
        `mtu ${value.mtu}`,
        !value.up && "down",
      );
    case "address":
      return `addr ${value.address} dev ${value.dev}`;
    case "resolver":
      return `file ${key} { ${value.text.trim().split("\n").join("; ")} }`;
    case "neighbour":
      return `neigh ${value.ip} lladdr ${value.lladdr} dev ${value.dev} nud permanent`;
    case "fdb":
      return `fdb ${value.lladdr} dev ${value.dev} dst ${value.dst} self permanent`;
    case "route":
      return routeText(value);
  }
}

function linkWords(link: Observed<"link">["value"]): (string | undefined)[] {
  switch (link.type) {
    case "bridge":
    case "veth-peer":
      return [link.type];
    case "vxlan":
      return [`vxlan id ${link.vni} local ${link.local} dstport ${link.port}`];
    case "veth":
      return [`veth peer ${link.peer.name} in ${link.peer.scope}`, link.master && `master ${link.master}`];
  }
}

function routeText(route: Route): string {
  if (route.type === "unreachable") return `route unreachable ${route.dst}`;
  return words(
    `route ${route.dst}`,
    route.via && `via ${route.via}`,
    `dev ${route.dev}`,
    route.onlink && "onlink",
    route.scope === "link" && "scope link",
    route.src && `src ${route.src}`,
  );
}

function nftText(nft: Nft): string {
  switch (nft.object) {
    case "chain": {
      const hook =
        nft.hook &&
        `type ${nft.hook.type} hook ${nft.hook.hook} priority ${nft.hook.priority} policy ${nft.hook.policy};`;
      return `nft ${nft.family} chain ${nft.name} { ${words(hook, nft.rules.join("; "))} }`;
    }
    case "set":
      return `nft ${nft.family} set ${nft.name} { type ${nft.type} }`;
    case "element":
      return `nft ${nft.family} element ${nft.set} { ${nft.element.join(" . ")} }`;
  }
}

function words(...parts: (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(" ");
}
