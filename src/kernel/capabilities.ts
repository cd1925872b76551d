import type { Cipher } from "../desired/backends/esp.ts";
import type { Ipsec } from "../desired/inputs.ts";
import { type Policy, policyPriority } from "../desired/rows.ts";
import type { Cidr } from "../model/address.ts";
import type { Kernel, Trial } from "./kernel.ts";
import { createXfrmHere } from "./netlink/link-messages.ts";
import { putPolicy } from "./netlink/policy-messages.ts";
import { newSa, type SaAlgorithm } from "./netlink/sa-request.ts";
import { MessageWriter } from "./netlink/writer.ts";

/** The best first: what both ends have is taken in this order. */
const algorithms: Record<Cipher, SaAlgorithm> = {
  aes128gcm16: { type: "aead", name: "rfc4106(gcm(aes))", keyBytes: 16 + 4, icvBytes: 16 },
  aes256gcm16: { type: "aead", name: "rfc4106(gcm(aes))", keyBytes: 32 + 4, icvBytes: 16 },
  chacha20poly1305: { type: "aead", name: "rfc7539esp(chacha20,poly1305)", keyBytes: 32 + 4, icvBytes: 16 },
  "aes128-sha256": {
    type: "cbc",
    cipher: "cbc(aes)",
    keyBytes: 16,
    auth: "hmac(sha256)",
    authKeyBytes: 32,
    truncBytes: 16,
  },
};
const ciphers = Object.keys(algorithms) as Cipher[];

/** Lower ones are reserved (RFC 4303). */
const firstSpi = 256;

const nothingPasses = [
  "add table inet probe",
  "add chain inet probe out { type filter hook output priority 0; }",
  "add rule inet probe out rt ipsec missing drop",
  "add chain inet probe in { type filter hook input priority 0; }",
  "add rule inet probe in meta ipsec missing drop",
];

const policy: Policy = {
  dir: "out",
  src: "192.0.2.1/32" as Cidr,
  dst: "192.0.2.2/32" as Cidr,
  priority: policyPriority,
  mode: "transport",
  reqid: 1,
};
const xfrmLink = { type: "xfrm", ifId: 1, mtu: 1400, up: true } as const;

/** What encrypted networks need of the kernel, in an operator's words, by the trial that shows it. */
const needs = {
  xfrm: "XFRM (CONFIG_XFRM_USER, module xfrm_user)",
  esp: "ESP (CONFIG_INET_ESP, module esp4)",
  cipher: "a cipher for ESP (CONFIG_CRYPTO_GCM with CONFIG_CRYPTO_AES)",
  link: "XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface)",
  guard: "nftables' rt ipsec and meta ipsec (CONFIG_XFRM, nft 0.9.1)",
} as const;

/**
 * What of IPsec the kernel has, found out by asking for each thing: only so is known what a module or a policy of the
 * host would have it refuse. Throws where the question itself cannot be put.
 */
export async function probeIpsec(kernel: Kernel): Promise<Pick<Ipsec, "missing" | "ciphers">> {
  const trials: Trial[] = [
    { protocol: "xfrm", message: written((writer) => putPolicy(writer, policy, true)) },
    { protocol: "route", message: written((writer) => createXfrmHere(writer, "probe", xfrmLink)) },
    { protocol: "nftables", commands: nothingPasses.join("\n") },
    ...ciphers.map((cipher, at): Trial => ({ protocol: "xfrm", message: newSa(algorithms[cipher], firstSpi + at) })),
  ];
  const answer = await kernel.probe(trials);
  if (!answer.ok) throw new Error(`Cannot find out what IPsec the kernel has: ${answer.failure.message}`);
  const [xfrm, link, guard, ...sas] = answer.value;
  const found = ciphers.filter((_, at) => sas[at] === undefined);
  const missing = [
    xfrm !== undefined && needs.xfrm,
    xfrm === undefined && found.length === 0 && (sas.includes("EPROTONOSUPPORT") ? needs.esp : needs.cipher),
    link !== undefined && needs.link,
    guard !== undefined && needs.guard,
  ];
  return { missing: missing.filter((text) => text !== false), ciphers: found };
}

function written(write: (writer: MessageWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  write(writer);
  return writer.finish();
}
