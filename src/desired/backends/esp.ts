import type { Ipsec } from "../inputs.ts";

/**
 * ESP ciphers (RFC 4303) as swanctl.conf(5) names them, with what each costs: octets of initialisation vector and
 * integrity check value, and what the payload is padded to.
 */
export const ciphers = {
  // RFC 4106
  aes128gcm16: { iv: 8, icv: 16, block: 4 },
  aes256gcm16: { iv: 8, icv: 16, block: 4 },
  // RFC 7634
  chacha20poly1305: { iv: 8, icv: 16, block: 4 },
  // RFC 3602 with RFC 4868: every kernel with ESP has it.
  "aes128-sha256": { iv: 16, icv: 16, block: 16 },
} as const satisfies Record<string, { iv: number; icv: number; block: number }>;

export type Cipher = keyof typeof ciphers;

/** Octets around every packet: outer IPv4, UDP (RFC 3948), SPI and sequence number; pad length and next header behind it. */
const outer = 20;
const udp = 8;
const head = 8;
const tail = 2;

/**
 * The largest payload whose packet is no longer than `mtu`, in octets: in tunnel mode an inner packet, in transport mode
 * what comes after the IP header. The best cipher counts, since peers that have it use it; where one has not, the kernel
 * tells senders of the smaller path (RFC 1191).
 */
export function espRoom(
  mtu: number,
  { ciphers: [best = "aes128-sha256"], encap }: Pick<Ipsec, "ciphers" | "encap">,
): number {
  const { iv, icv, block } = ciphers[best];
  const room = mtu - outer - (encap ? udp : 0) - head - iv - icv;
  return Math.floor(room / block) * block - tail;
}
