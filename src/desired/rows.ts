import type { Cidr, Ip, Mac } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";

/**
 * Which network namespace a row lives in: the host's own, one network's (`skein-<net>` under /run/netns), or a
 * container's, by the path of its namespace.
 */
export type Scope = "host" | `net:${string}` | `at:${string}`;

/** What the kernel holds, by kind. Field names follow iproute2 and nft. */
export interface Values {
  /** A named network namespace of ours; key: its name. Lives in scope `host`. */
  namespace: Record<string, never>;
  /** Drop and accept rules that exist before what they guard; key: see nftKey. */
  guard: Nft;
  /** key: interface name. */
  link: Link;
  /**
   * key: the name as `sysctl` spells it, dots in interface names as slashes; value as read from /proc/sys, trimmed.
   * After links, since an interface brings its own. `optional`: a kernel without the name is right as it is
   * (net.bridge.* without br_netfilter), and is looked at again in case a module brings it.
   */
  sysctl: { value: string; optional?: true };
  /** key: `<dev> <address>/<length>`. */
  address: { dev: string; address: string };
  /** A permanent ARP entry; key: `<dev> <ip>`. */
  neighbour: { dev: string; ip: Ip; lladdr: Mac };
  /** A unicast forwarding entry of a VXLAN device; key: `<dev> <mac>`. */
  fdb: { dev: string; lladdr: Mac; dst: Ip };
  /** An IPv4 route of the main table; key: `<prefix>`, since (prefix, tos 0, metric 0, main) is its identity. */
  route: Route;
  /** Masquerade rules; same shape as guard. */
  translation: Nft;
  /**
   * What `ip netns exec` shows a container as its /etc/resolv.conf; key: the file, `/etc/netns/<name>/resolv.conf`.
   * Lives in scope `host`. A file that is not ours is found as `foreign`, and is right as it is.
   */
  resolver: { text: string } | { text: ""; foreign: true };
}

export type Kind = keyof Values;

/**
 * Adds and replaces run in this order, removals in reverse after them: make before break. Guards come before the links
 * that they guard (they name interfaces by text, so need none), sysctls after the links that bring them.
 */
export const kinds = [
  "namespace",
  "guard",
  "link",
  "sysctl",
  "address",
  "neighbour",
  "fdb",
  "route",
  "translation",
  "resolver",
] as const satisfies readonly Kind[];

export interface LinkCommon {
  /** Absent where the kernel's own choice is right. */
  mac?: Mac;
  mtu: number;
  /** Always true in a wish; a link somebody set down is found with false. */
  up: boolean;
}

export type Link = LinkCommon &
  (
    | { type: "bridge" }
    | {
        /** Made in the host namespace, so that outer packets stay on the underlay, then moved into `scope`. */
        type: "vxlan";
        vni: number;
        local: Ip;
        port: number;
      }
    | {
        /** The near end of a pair; making it makes the far end too, in `peer.scope`. */
        type: "veth";
        master?: string;
        peer: { scope: Scope; name: string; mac?: Mac };
      }
    | {
        /** The far end of a pair: only brought to its attributes here, made and removed with its near end. */
        type: "veth-peer";
      }
  );

export type Route =
  | {
      type: "unicast";
      dst: Cidr;
      dev: string;
      via?: Ip;
      /** The next hop counts as on-link whatever the addresses say. Only with `via`. */
      onlink?: true;
      /** Preferred source. */
      src?: Ip;
      scope: "global" | "link";
    }
  | { type: "unreachable"; dst: Cidr };

/** All our nftables objects live in one table a family: `inet skein` and, in a network's namespace, `bridge skein`. */
export type Nft =
  | {
      object: "chain";
      family: "inet" | "bridge";
      name: string;
      /** Absent for a chain that is only jumped to. */
      hook?: { type: "filter" | "nat"; hook: string; priority: number; policy: "accept" | "drop" };
      /** nft rule texts, in order, without comment: the driver marks each with a digest to recognise it again. */
      rules: readonly string[];
    }
  | {
      object: "set";
      family: "inet" | "bridge";
      name: string;
      /** nft type, concatenations with dots: `ifname . ether_addr . ipv4_addr`. */
      type: string;
    }
  | {
      object: "element";
      family: "inet" | "bridge";
      set: string;
      /** The parts of the concatenation, in canonical text. */
      element: readonly string[];
    };

/** `inet chain forward`, `bridge set endpoints`, `bridge element endpoints sk1 . 02:... . 10.42.0.2`. */
export function nftKey(nft: Nft): string {
  return nft.object === "element"
    ? `${nft.family} element ${nft.set} ${nft.element.join(" . ")}`
    : `${nft.family} ${nft.object} ${nft.name}`;
}

/** One thing this host's kernel must hold, and the records that say so. */
export type Row = { [K in Kind]: RowOf<K> }[Kind];

export interface RowOf<K extends Kind> {
  kind: K;
  scope: Scope;
  /** The kernel's own identity of the object within kind and scope; see Values. */
  key: string;
  value: Values[K];
  /** Keys of the records this row follows from, the nearest cause first. */
  because: readonly RecordKey[];
}

/** Interface names of ours in the host namespace and on bridges begin so; alias and route protocol mark the rest. */
export const mark = {
  /** `ip -d link` shows it as alias: `skein`. */
  alias: "skein",
  /** rtm_protocol, ifa_proto and NDA_PROTOCOL: free in iproute2's rt_protos. */
  protocol: 83,
  /** The nftables table, in every family and namespace. */
  table: "skein",
  /** Namespaces of networks are `skein-<net>`. */
  namespace: "skein-",
  /** The first line of each resolv.conf of ours, and of nobody else's. */
  resolver: "# Written by skein; goes with the container's record.",
} as const;
