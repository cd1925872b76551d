import type { Cidr } from "../model/address.ts";
import { type } from "./protocol.ts";
import { type Reverse, readReverse } from "./reverse.ts";
import type { Zone } from "./zone.ts";

/** Every network's domain is below it, unless the network says otherwise. */
const commonDomain = "skein.internal";
/** The server's own address is of it, and nobody outside knows whose the others are (RFC 6303, 4.5). */
const linkLocal = "169.254.0.0/16" as Cidr;
/** What resolvers ask of top-level domains, to find a name's servers and to check signatures. */
const ofTopLevel = new Set<number>([type.NS, type.SOA, type.DS, type.DNSKEY]);

export interface Privacy {
  zone: Zone;
  /** Domains of every network of the installation. */
  domains: ReadonlySet<string>;
}

/**
 * Whether a question must not be asked outside: nobody there could know, or they would answer with what is not meant, and
 * the name is none of theirs to hear.
 */
export function isPrivate(name: string, asked: number, { zone, domains }: Privacy): boolean {
  // `hubot`, tried as it stands when the search list had no answer (dnsmasq's domain-needed); `web.rocket-chat`, too. What
  // lies deeper is left alone: a stack may have a name that is a top-level domain, such as `app`.
  const first = name.indexOf(".");
  if (first < 0 ? name !== "" && !ofTopLevel.has(asked) : zone.isStack(name.slice(first + 1))) return true;
  for (let at = 0; ; ) {
    const part = name.slice(at);
    if (part === commonDomain || domains.has(part)) return true;
    const dot = name.indexOf(".", at);
    if (dot < 0) return privateReverse(name, zone) !== undefined;
    at = dot + 1;
  }
}

/** A name of the reverse tree that is answered here; `undefined` for all others. */
export function privateReverse(name: string, { settings }: Zone): Reverse | undefined {
  return readReverse(name, settings.cidr as Cidr) ?? readReverse(name, linkLocal);
}
