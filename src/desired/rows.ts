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
  /**
   * What charon is to know: a peer (key `conn-<host>`), or one of its children (key `conn-<host> child-<net>`, and for
   * VXLAN `conn-<host> vxlan-<port>`, one for all networks of that port). Lives in scope `host`; whether SAs are up is no
   * row, but what `ike/` sees to.
   */
  tunnel: Connection | Child;
  /** An XFRM policy of ours; key: see policyKey. Lives in scope `host`, also where it is of a network's xfrm interface. */
  policy: Policy;
  /** An IPv4 route of the main table; key: `<prefix>`, since (prefix, tos 0, metric 0, main) is its identity. */
  route: Route;
  /** Masquerade rules, and those of what is not tracked for them; same shape as guard. */
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
 * that they guard (they name interfaces by text, so need none), sysctls after the links that bring them, policies before
 * the tunnels they want: without an SA they drop.
 */
export const kinds = [
  "namespace",
  "guard",
  "link",
  "sysctl",
  "address",
  "neighbour",
  "fdb",
  "policy",
  "tunnel",
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
        /**
         * Outer packets leave from `port` too, as one policy of XFRM wants it; absent: from a port by the inner flow, so that
         * paths of equal cost share the load.
         */
        fixedSource?: true;
      }
    | {
        /** An XFRM interface, made in the host's namespace, where its policies and SAs are, then moved into `scope`. */
        type: "xfrm";
        ifId: number;
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

/** A peer as charon knows it: one IKE_SA, whatever the networks shared with it (RFC 7296, pinned raw keys of RFC 7670). */
export interface Connection {
  type: "connection";
  /** The peer's name; both ends identify themselves by their hosts' names. */
  host: string;
  local: Ip;
  remote: Ip;
  /** ESP in UDP (RFC 3948), also where no NAT asks for it. */
  encap: boolean;
  /** How the ends prove who they are: by the peer's public keys, any of them, and this host's own; or by a secret that both have in a file. */
  auth: { type: "pubkey"; own: PublicKey; peer: readonly PublicKey[] } | { type: "psk" };
}

/** One CHILD_SA of a connection. Its policies are rows of kind `policy`, never charon's. */
export interface Child {
  type: "child";
  mode: "tunnel" | "transport";
  /** Both ends', as swanctl.conf(5) has local_ts and remote_ts: `0.0.0.0/0`, `dynamic[udp/4789]`. */
  selector: string;
  /**
   * What it is for, said to the peer as a security label (RFC 9478, strongSwan's label_mode simple): selectors of several
   * networks are equal, and a peer must not take one network's child for another's.
   */
  label: string;
  /** Ties SAs and policies together on this host; see policy. */
  reqid: number;
  /** The xfrm interface of the network; absent in transport mode. */
  ifId?: number;
  /** ESP proposals, the best first, as swanctl.conf(5) has them: `aes128gcm16-x25519`. */
  proposals: readonly string[];
}

/** An Ed25519 public key (RFC 8032): its 32 octets in base64. */
export type PublicKey = string;

/** An XFRM policy: what matches it passes with ESP as its one template says, or not at all. */
export interface Policy {
  dir: "in" | "out" | "fwd";
  src: Cidr;
  dst: Cidr;
  /** Only UDP from this port to this port; absent: every protocol. */
  udp?: number;
  /** Only what goes through the xfrm interface of this number; absent: what goes through none. */
  ifId?: number;
  /** The lower goes first. Ours are policyPriority and the 32 after it, which is how they are known for ours. */
  priority: number;
  mode: "tunnel" | "transport";
  reqid: number;
  /** Outer addresses, in tunnel mode only. */
  outer?: { src: Ip; dst: Ip };
}

/**
 * XFRM policies have no owner; a range of priorities that nobody else uses marks ours. charon's own begin at 100,000.
 * One of an xfrm interface of ours is ours by that alone: an `allow` that somebody adds there would let strangers in.
 */
export const policyPriority = 8300;

/** if_ids of our xfrm interfaces: this and the network's place on the host. The first octet is an S; it is never on the wire. */
export const firstIfId = 0x53000000;

export function isOurPolicy({ priority, ifId }: Policy): boolean {
  const isOurInterface = ifId !== undefined && ifId >>> 24 === firstIfId >>> 24;
  return isOurInterface || (priority >= policyPriority && priority <= policyPriority + 32);
}

/** `out 0.0.0.0/0 10.42.64.64/26 if_id 0x53000001`, `in 10.99.0.2/32 10.99.0.1/32 udp 4789`. */
export function policyKey({ dir, src, dst, udp, ifId }: Policy): string {
  const port = udp === undefined ? "" : ` udp ${udp}`;
  const link = ifId === undefined ? "" : ` if_id 0x${ifId.toString(16)}`;
  return `${dir} ${src} ${dst}${port}${link}`;
}

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
