import { fromNumber, type Ip, isIp, toNumber } from "../model/address.ts";
import type { Members, Zone } from "./zone.ts";

/** What there is under a name of the network, without its domain; `undefined` where there is nothing at all. */
export type Found =
  | { type: "addresses"; addresses: readonly number[] }
  | { type: "alias"; target: string }
  | { type: "ports"; port: number; service: string }
  /** A name without records of its own: others are below it. */
  | { type: "inner" };

/** Services may be aliases of others, and those of others; so many of one chain count. */
const longestChain = 8;

/** @param name lower case, relative to the domain, not empty */
export function lookUp(zone: Zone, name: string): Found | undefined {
  if (name === serverName) return { type: "addresses", addresses: [serviceNumber] };
  if (name.startsWith("_")) return port(zone, name);
  if (zone.members.has(name) || zone.services.has(name)) return service(zone, name);
  const addresses = containers(zone, name);
  if (addresses.length > 0) return { type: "addresses", addresses };
  return addressed(zone, name) ?? (zone.isInner(name) ? { type: "inner" } : undefined);
}

/** This server's, in every network. */
const serverName = "_dns";
const serviceNumber = toNumber("169.254.169.250" as Ip) | 0;

/** Containers of the name, and those of a stack's: `mongo.rocket-chat` is either. */
function containers(zone: Zone, name: string): number[] {
  const addresses = [...zone.called(name)];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const stack = name.slice(dot + 1);
    for (const address of zone.called(name.slice(0, dot)))
      if (zone.owners.get(address)?.stack === stack) addresses.push(address);
  }
  return addresses;
}

function service(zone: Zone, name: string): Found {
  const cname = zone.services.get(name)?.record.cname;
  if (cname !== undefined) return { type: "alias", target: cname };
  return { type: "addresses", addresses: membersOf(zone, name) };
}

/** All healthy members of a service, those of its aliases included; where none is healthy, as the setting has it. */
export function membersOf(zone: Zone, name: string): readonly number[] {
  const groups = [...groupsOf(zone, name)];
  const alone = groups.length === 1 ? groups[0] : undefined;
  // The one service of nearly every question: no copy.
  if (alone && "healthy" in alone && alone.healthy.size > 0) return alone.healthy.all();
  const healthy = groups.flatMap((group) => ("healthy" in group ? group.healthy.all() : group.external));
  if (healthy.length > 0) return [...new Set(healthy)];
  if (zone.settings.whenUnhealthy === "empty") return [];
  return [...new Set(groups.flatMap((group) => ("unhealthy" in group ? group.unhealthy.all() : [])))];
}

/** A service's own members and those of its aliases, the nearest first, so that a longer way to one cuts nothing off. */
function* groupsOf(zone: Zone, name: string): Generator<Members | { external: readonly number[] }> {
  const depths = new Map([[name, 1]]);
  // What is added meanwhile has its turn, too.
  for (const [each, depth] of depths) {
    const members = zone.members.get(each);
    if (members) yield members;
    const declared = zone.services.get(each);
    if (!declared) continue;
    const { record, stack } = declared;
    if (record.addresses?.length) yield { external: record.addresses.map((address) => toNumber(address) | 0) };
    if (depth === longestChain) continue;
    for (const alias of record.aliases ?? []) {
      const target = aliased(alias, stack);
      if (!depths.has(target)) depths.set(target, depth + 1);
    }
  }
}

/** `web` of the same stack, or `rocket-chat/web`. */
function aliased(alias: string, stack: string): string {
  const [first, second] = alias.toLowerCase().split("/") as [string, string?];
  return second === undefined ? `${first}.${stack}` : `${second}.${first}`;
}

/** `_http._tcp.web.rocket-chat`, and `_tcp.web.rocket-chat` above it. */
function port(zone: Zone, name: string): Found | undefined {
  const [first = "", second = "", ...rest] = name.split(".");
  const isPort = second === "_tcp" || second === "_udp";
  const [protocol, of] = isPort ? [second.slice(1), rest.join(".")] : [first.slice(1), [second, ...rest].join(".")];
  const ports = Object.entries(zone.services.get(of)?.record.ports ?? {}).filter(
    ([, port]) => port.protocol === protocol,
  );
  if (!isPort) return ports.length > 0 ? { type: "inner" } : undefined;
  const found = ports.find(([name]) => `_${name.toLowerCase()}` === first)?.[1];
  return found && { type: "ports", port: found.port, service: of };
}

/** `10-42-0-5.web.rocket-chat`, one member by its address: what SRV records call those that are no containers. */
function addressed(zone: Zone, name: string): Found | undefined {
  const dot = name.indexOf(".");
  const ip = name.slice(0, Math.max(0, dot)).replaceAll("-", ".");
  if (!isIp(ip)) return undefined;
  const address = toNumber(ip) | 0;
  return membersOf(zone, name.slice(dot + 1)).includes(address)
    ? { type: "addresses", addresses: [address] }
    : undefined;
}

/** What an SRV record calls a member, relative to the domain. */
export function memberName(zone: Zone, service: string, address: number): string {
  const owner = zone.owners.get(address);
  const name = owner?.stack === undefined ? undefined : `${owner.name}.${owner.stack}`;
  // Its own name, unless others have it too, or a service.
  const found = name === undefined ? undefined : lookUp(zone, name.toLowerCase());
  if (name !== undefined && found?.type === "addresses" && found.addresses.length === 1) return name;
  return `${fromNumber(address).replaceAll(".", "-")}.${service}`;
}

/** A container's full name below the domain, in which its stack stands where it has one. */
export function ownName(zone: Zone, address: number): string | undefined {
  if (address === serviceNumber) return serverName;
  const owner = zone.owners.get(address);
  return owner && (owner.stack === undefined ? owner.name : `${owner.name}.${owner.stack}`);
}
