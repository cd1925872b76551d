import {
  type Child,
  type Connection,
  type Link,
  mark,
  type Nft,
  type Policy,
  type Route,
  type Row,
  type Scope,
} from "./rows.ts";

/** A row as the kernel holds it or as it is wished: what is printed is the same. */
type Printable = Row extends infer R ? (R extends Row ? Omit<R, "because"> : never) : never;

/** One row in the words of ip, bridge, nft and sysctl, on one line; the namespace comes last, the host's own unnamed. */
export function describeRow(row: Printable): string {
  const place = placeOf(row.scope);
  return place === undefined ? describe(row) : `${describe(row)} in ${place}`;
}

/** `skein-blue` for a network, the path for a container; undefined for the host's own namespace. */
function placeOf(scope: Scope): string | undefined {
  if (scope === "host") return undefined;
  return scope.startsWith("net:") ? `${mark.namespace}${scope.slice("net:".length)}` : scope.slice("at:".length);
}

function describe(row: Printable): string {
  switch (row.kind) {
    case "namespace":
      return `netns ${row.key}`;
    case "sysctl":
      return words("sysctl", `${row.key}=${row.value.value}`, row.value.optional && "if there");
    case "guard":
    case "translation":
      return describeNft(row.value);
    case "link":
      return describeLink(row.key, row.value);
    case "address":
      return `addr ${row.value.address} dev ${row.value.dev}`;
    case "resolver":
      return `file ${row.key} ${(/^search .*$/m.exec(row.value.text) ?? [""])[0]}`;
    case "neighbour":
      return `neigh ${row.value.ip} lladdr ${row.value.lladdr} dev ${row.value.dev} nud permanent`;
    case "fdb":
      return `fdb ${row.value.lladdr} dst ${row.value.dst} dev ${row.value.dev} self permanent`;
    case "tunnel":
      return describeTunnel(row.key, row.value);
    case "policy":
      return describePolicy(row.value);
    case "route":
      return describeRoute(row.value);
  }
}

function describeLink(name: string, link: Link): string {
  return words(
    "link",
    name,
    link.mac && `address ${link.mac}`,
    `mtu ${link.mtu}`,
    link.up ? "up" : "down",
    link.type === "veth" && link.master && `master ${link.master}`,
    `type ${link.type}`,
    ...details(link),
  );
}

function details(link: Link): (string | false | undefined)[] {
  switch (link.type) {
    case "bridge":
    case "veth-peer":
      return [];
    case "vxlan":
      return [
        `id ${link.vni} local ${link.local} dstport ${link.port}`,
        link.fixedSource && `srcport ${link.port} ${link.port + 1}`,
        "nolearning",
      ];
    case "xfrm":
      return [`if_id 0x${link.ifId.toString(16)}`];
    case "veth": {
      const { name, mac, scope } = link.peer;
      return ["peer", name, mac && `address ${mac}`, `netns ${placeOf(scope) ?? "host"}`];
    }
  }
}

function describeTunnel(key: string, tunnel: Connection | Child): string {
  if (tunnel.type === "child") {
    const { mode, selector, label, reqid, ifId, proposals } = tunnel;
    return words(
      `ike ${key}`,
      `mode ${mode} ts ${selector} label ${label} reqid ${reqid}`,
      ifId !== undefined && `if_id 0x${ifId.toString(16)}`,
      `esp ${proposals.join(",")}`,
    );
  }
  const { host, local, remote, encap, auth } = tunnel;
  const keys = auth.type === "pubkey" && `own ${auth.own} peer ${auth.peer.join(",")}`;
  return words(`ike ${key}`, `host ${host} ${local} - ${remote}`, encap && "encap", `auth ${auth.type}`, keys);
}

function describePolicy({ dir, src, dst, udp, ifId, priority, mode, reqid, outer }: Policy): string {
  return words(
    `xfrm policy src ${src} dst ${dst}`,
    udp !== undefined && `proto udp sport ${udp} dport ${udp}`,
    `dir ${dir} priority ${priority}`,
    ifId !== undefined && `if_id 0x${ifId.toString(16)}`,
    "tmpl",
    outer && `src ${outer.src} dst ${outer.dst}`,
    `proto esp reqid ${reqid} mode ${mode}`,
  );
}

function describeRoute(route: Route): string {
  if (route.type === "unreachable") return `route unreachable ${route.dst}`;
  return words(
    "route",
    route.dst === "0.0.0.0/0" ? "default" : route.dst,
    route.via && `via ${route.via}`,
    `dev ${route.dev}`,
    route.onlink && "onlink",
    route.scope === "link" && "scope link",
    route.src && `src ${route.src}`,
  );
}

function describeNft(nft: Nft): string {
  const table = `${nft.family} ${mark.table}`;
  switch (nft.object) {
    case "chain": {
      const { hook } = nft;
      const head = hook && `type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy ${hook.policy};`;
      return `nft chain ${table} ${nft.name} { ${words(head, nft.rules.join("; "))} }`;
    }
    case "set":
      return `nft set ${table} ${nft.name} { type ${nft.type}; }`;
    case "element":
      return `nft element ${table} ${nft.set} { ${nft.element.join(" . ")} }`;
  }
}

function words(...parts: (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(" ");
}
