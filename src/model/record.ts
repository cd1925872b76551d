import { z } from "zod";
import { type Cidr, type Ip, isCidr, isIp, isMac, type Mac } from "./address.ts";
import { isName, namePattern } from "./keys.ts";

/**
 * The building blocks of every record. Each schema carries a pattern, which reaches the published JSON Schema, and a
 * check, which does not (zod drops refinements there) and is the stricter of the two.
 *
 * Types are branded by cast: zod's own brands would leak zod into every module that names an address.
 */
const octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const quad = `${octet}(\\.${octet}){3}`;

export const ipSchema = z
  .string()
  .regex(new RegExp(`^${quad}$`), { error: "an IPv4 address such as 10.42.0.2", abort: true })
  .refine(isIp, { error: "an IPv4 address such as 10.42.0.2" })
  .meta({ description: "An IPv4 address, dotted quad" }) as unknown as z.ZodType<Ip, string>;

export const cidrSchema = z
  .string()
  .regex(new RegExp(`^${quad}/([0-9]|[12][0-9]|3[0-2])$`), {
    error: "an IPv4 prefix such as 10.42.0.0/16",
    abort: true,
  })
  .refine(isCidr, { error: "an IPv4 prefix without host bits such as 10.42.0.0/16" })
  .meta({ description: "An IPv4 prefix without host bits" }) as unknown as z.ZodType<Cidr, string>;

export const macSchema = z
  .string()
  .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, { error: "a MAC address in lower case with colons", abort: true })
  .refine(isMac, { error: "a unicast MAC address such as 02:53:0a:2a:40:62" })
  .meta({ description: "A unicast Ethernet address, lower case" }) as unknown as z.ZodType<Mac, string>;

/** 32 octets in base64: 43 characters, of which the last carries 4 bits, and the padding. */
export const publicKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, { error: "an Ed25519 public key, 32 octets in base64" })
  .meta({ description: "An Ed25519 public key (RFC 8032), 32 octets in base64" });

export const nameSchema = z
  .string()
  .regex(namePattern, { error: "a name of at most 63 letters, digits, '-', '_' and '.'", abort: true })
  .refine(isName, { error: "a name without '..'" });

/**
 * A DNS name without the final dot, lower case: what answers are compared with. At most 200 characters, so that a
 * container's, a service's and a stack's name fit before it (RFC 1035 allows 255 octets in all).
 */
const hostname = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)*$/;
export const hostnameSchema = z
  .string()
  .max(200)
  .regex(hostname, { error: "a DNS name in lower case such as rancher.internal" });

/** 68 is what IPv4 demands of any link (RFC 791); 576 what every host must take, and less serves nobody here. */
export const mtuSchema = z.int().min(576).max(65535);

/** No control, format or surrogate characters: a label must not repaint the terminal of who reads it. */
const unprintable = /\p{C}/u;
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((said) => !unprintable.test(said), { error: "text without control characters" });

/** Free text for people, bounded so that one record cannot fill an agent's memory or a log line. */
export const labelsSchema = z.record(text(63), text(255)).refine((labels) => Object.keys(labels).length <= 64, {
  error: "at most 64 labels",
});
