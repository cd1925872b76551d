import { z } from "zod";
import { type Cidr, contains, firstOf, fromNumber, type Ip, lastOf, prefixLength, toNumber } from "./address.ts";
import { cidrSchema, hostnameSchema, ipSchema, mtuSchema, nameSchema } from "./record.ts";

const vxlan = z.object({
  type: z.literal("vxlan"),
  vni: z.int().min(1).max(0xffffff).meta({ description: "VXLAN network identifier, unique in the installation" }),
  // Encrypted, packets leave from this port or the one above it: policies name one of a range of two.
  port: z.int().min(1).max(65534).default(4789).meta({ description: "UDP port (RFC 7348: 4789)" }),
});

const hostGateway = z
  .object({ type: z.literal("host-gw") })
  .meta({ description: "Plain routes between hosts of one segment" });

const ipsec = z.object({ type: z.literal("ipsec") }).meta({
  description: "ESP tunnels between hosts (RFC 4303), negotiated by IKEv2; always encrypted",
});

/** Where names of the network are found, and what is not among them. */
const dns = z
  .object({
    domain: hostnameSchema.optional().meta({ description: "Names end in it; absent: <network>.skein.internal" }),
    upstreams: z
      .union([z.literal("none"), z.array(ipSchema).min(1).max(8)], { error: "addresses of name servers, or none" })
      .optional()
      .meta({ description: "Who is asked for other names; absent: the host's name servers; none: nobody" }),
    ttl: z.int().min(0).max(3600).default(1).meta({ description: "Seconds a client may keep an answer" }),
    whenUnhealthy: z
      .enum(["empty", "all"])
      .default("empty")
      .meta({ description: "What a service answers when no member is healthy" }),
  })
  .meta({ description: "Names in the network" });

/** `networks/<net>`, written by the user. */
export const networkSchema = z
  .object({
    cidr: cidrSchema,
    backend: z
      .discriminatedUnion("type", [ipsec, vxlan, hostGateway], { error: "a backend of type ipsec, vxlan or host-gw" })
      .default({ type: "ipsec" })
      .meta({ description: "How packets get from host to host; absent: by ipsec" }),
    encryption: z.enum(["ipsec", "none"]).optional().meta({
      description: "ipsec: ESP around what passes between hosts, or nothing passes; absent: as the backend has it",
    }),
    mtu: mtuSchema.optional().meta({ description: "Upper bound; the underlay's MTU less the overhead still holds" }),
    internal: z.boolean().default(false).meta({ description: "No way out of the network" }),
    hosts: z.array(nameSchema).max(10_000).optional().meta({ description: "Only these hosts take part; absent: all" }),
    reserved: z
      .array(cidrSchema)
      .max(256)
      .optional()
      .meta({ description: "Ranges that no address is given out of; records may still name addresses there" }),
    restSeconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(30)
      .meta({ description: "How long a released address rests before it is given out again" }),
    dns: dns.optional(),
    blockLength: z.int().min(8).max(32).optional().meta({ description: "Prefix length of the blocks that hosts take" }),
  })
  .meta({ id: "network", description: "A network: one flat address range over many hosts" });

export type Network = z.infer<typeof networkSchema>;

/** Whether the network's packets may be seen between hosts only as ESP. */
export function isEncrypted({ backend, encryption }: Network): boolean {
  return backend.type === "ipsec" || encryption === "ipsec";
}

/** Below which the network's names are, in lower case. */
export function domainOf(net: string, network: Network): string {
  return network.dns?.domain ?? `${net.toLowerCase()}.skein.internal`;
}

/** The first address after the network's own; the same on every host and for life. */
export function gatewayOf(network: Network): Ip {
  return fromNumber(toNumber(firstOf(network.cidr)) + 1);
}

/** Whether an address may be given out: none of the network's own, the gateway's, the broadcast's or of a reserved range. */
export function isAssignable(network: Network, address: Ip): boolean {
  const { cidr, reserved = [] } = network;
  if (!contains(cidr, address)) return false;
  if (address === firstOf(cidr) || address === gatewayOf(network) || address === lastOf(cidr)) return false;
  return !reserved.some((range) => contains(range, address));
}

/**
 * Blocks are /26 where the network has room for at least 16 of them (64 addresses are what a host fills in a day, and a
 * /16 has 1,024), smaller in smaller networks.
 */
export function blockLengthOf(network: Network): number {
  return Math.min(32, Math.max(network.blockLength ?? 26, prefixLength(network.cidr) + 4));
}

/** The prefixes that a network may not cover, with the reason: loopback, link-local, multicast and reserved ranges. */
export const unusable: readonly [Cidr, string][] = [
  ["0.0.0.0/8" as Cidr, "this host (RFC 1122)"],
  ["127.0.0.0/8" as Cidr, "loopback"],
  ["169.254.0.0/16" as Cidr, "link-local, where DNS answers and uplinks live"],
  ["224.0.0.0/3" as Cidr, "multicast and reserved"],
];
