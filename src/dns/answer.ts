import { type Found, lookUp, memberName, membersOf, ownName } from "./lookup.ts";
import { shuffled } from "./pool.ts";
import { isPrivate, type Privacy, privateReverse } from "./private.ts";
import { flag, rcode, type } from "./protocol.ts";
import { isInternet, type Query, readQuery } from "./query.ts";
import { emptyAnswer, Response, refuse, type Transport } from "./response.ts";
import type { Zone } from "./zone.ts";

/** What a message deserves. */
export type Verdict =
  | { type: "reply"; message: Buffer }
  /** No name of the network's: others are asked, where the network allows it. */
  | { type: "forward"; query: Query }
  /** Aliases led out of the network: others are asked for the last, and all is one answer. */
  | { type: "chase"; query: Query; aliases: readonly string[] }
  | { type: "silence" };

export interface Context extends Privacy {
  transport: Transport;
  /** As Math.random; decides who comes first. */
  random(): number;
}

/** Names that lead to names (CNAME): longer chains are a loop, or as bad. */
const longestChain = 8;
/** Octets of an A record whose name is a pointer. */
const addressSize = 16;
/** Of SRV records, with names of usual length; only so many are worth shuffling. */
const portSize = 48;

/** What a network's names come to for one message. Never throws, whatever the message. */
export function answer(message: Buffer, context: Context): Verdict {
  const query = readQuery(message);
  if (query === undefined) return { type: "silence" };
  if (typeof query === "number") return { type: "reply", message: refuse(message, query) };
  const available = context.zone.settings.upstreams === "none" ? 0 : flag.RA;
  if (query.edns && query.edns.version > 0) return reply(emptyAnswer(query, rcode.BADVERS, available));
  // CHAOS and the like: there is nothing to know.
  if (!isInternet(query)) return reply(emptyAnswer(query, rcode.REFUSED, available));
  return question(query, context, available);
}

function question(query: Query, context: Context, available: number): Verdict {
  const { zone, transport } = context;
  const { domain } = zone.settings;
  const relative = within(query.name, domain);
  if (relative !== undefined) {
    // 251 and 252: transfers. Names are told one at a time.
    if (query.type === 251 || query.type === 252) return reply(emptyAnswer(query, rcode.REFUSED, available));
    const response = new Response(query, transport);
    return relative === ""
      ? apex(response, query, zone, available)
      : named(response, query, relative, context, available);
  }
  const reverse = privateReverse(query.name, zone);
  if (reverse) {
    const response = new Response(query, transport);
    const owner = reverse.address === undefined ? undefined : ownName(zone, reverse.address);
    if (owner !== undefined && query.type === type.PTR) response.named("PTR", zone.settings.ttl, `${owner}.${domain}`);
    else if (owner !== undefined && query.type === type.ANY) response.minimal(zone.settings.ttl);
    else start(response, zone, reverse.zone);
    return reply(
      response.finish(owner !== undefined || reverse.isInner ? rcode.NOERROR : rcode.NXDOMAIN, flag.AA | available),
    );
  }
  if (isPrivate(query.name, query.type, context)) return reply(emptyAnswer(query, rcode.NXDOMAIN, available));
  if (zone.settings.upstreams === "none") return reply(emptyAnswer(query, rcode.REFUSED, 0));
  return { type: "forward", query };
}

/** The domain itself. */
function apex(response: Response, query: Query, zone: Zone, available: number): Verdict {
  const { domain, ttl } = zone.settings;
  if (query.type === type.SOA) response.start("answer", ttl, domain, domain, zone.serial);
  else if (query.type === type.NS) response.named("NS", ttl, `_dns.${domain}`);
  else if (query.type === type.ANY) response.minimal(ttl);
  else start(response, zone, domain);
  return reply(response.finish(rcode.NOERROR, flag.AA | available));
}

function named(response: Response, query: Query, relative: string, context: Context, available: number): Verdict {
  const { zone } = context;
  const { domain, ttl } = zone.settings;
  const aliases: string[] = [];
  let found = lookUp(zone, relative);
  while (found?.type === "alias" && query.type !== type.CNAME && query.type !== type.ANY) {
    if (aliases.length >= longestChain) return reply(emptyAnswer(query, rcode.SERVFAIL, available));
    response.named("CNAME", ttl, found.target, aliases.at(-1));
    aliases.push(found.target);
    const next = within(found.target, domain);
    if (next === undefined) return outside(response, query, aliases, context, available);
    found = next === "" ? { type: "inner" } : lookUp(zone, next);
  }
  if (found === undefined) {
    start(response, zone, domain);
    return reply(response.finish(rcode.NXDOMAIN, flag.AA | available));
  }
  if (!records(response, query, found, aliases.at(-1), context)) start(response, zone, domain);
  return reply(response.finish(rcode.NOERROR, flag.AA | available));
}

/** Writes what there is of the type asked for; false where there is nothing. */
function records(
  response: Response,
  query: Query,
  found: Found,
  owner: string | undefined,
  { zone, random }: Context,
): boolean {
  const { ttl, domain } = zone.settings;
  if (query.type === type.ANY) response.minimal(ttl);
  else if (found.type === "alias") response.named("CNAME", ttl, found.target);
  else if (found.type === "addresses" && query.type === type.A) {
    if (found.addresses.length === 0) return false;
    // One more than there is room for: the client is to know that there are others.
    for (const address of shuffled(found.addresses, response.room(addressSize) + 1, random))
      response.address(ttl, address, owner);
  } else if (found.type === "ports" && query.type === type.SRV) {
    const members = shuffled(membersOf(zone, found.service), response.room(portSize) + 1, random);
    const targets = members.map((address) => ({
      address,
      name: `${memberName(zone, found.service, address)}.${domain}`,
    }));
    for (const { name } of targets) response.service(ttl, found.port, name);
    for (const { name, address } of targets) response.glue(ttl, name, address);
    return targets.length > 0;
  } else return false;
  return true;
}

/** An alias led out of the network's domain. */
function outside(
  response: Response,
  query: Query,
  aliases: readonly string[],
  context: Context,
  available: number,
): Verdict {
  const target = aliases.at(-1) as string;
  // Nobody to ask, or nobody who could know: the alias is all there is to say.
  if (context.zone.settings.upstreams === "none" || isPrivate(target, query.type, context))
    return reply(response.finish(rcode.NOERROR, flag.AA | available));
  return { type: "chase", query, aliases };
}

function start(response: Response, { settings, serial }: Zone, owner: string): void {
  response.start("authority", settings.ttl, owner, settings.domain, serial);
}

/** The part of a name below the domain; "" for the domain itself, undefined for what is not below it. */
function within(name: string, domain: string): string | undefined {
  if (!name.endsWith(domain)) return undefined;
  if (name.length === domain.length) return "";
  return name[name.length - domain.length - 1] === "." ? name.slice(0, -domain.length - 1) : undefined;
}

function reply(message: Buffer): Verdict {
  return { type: "reply", message };
}
