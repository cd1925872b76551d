import { auditTime, filter, map, mergeMap, type Observable, share } from "rxjs";
import type { Underlay } from "../desired/inputs.ts";
import { type Cidr, cidr, hostPrefix, type Ip, ip, prefixOf } from "../model/address.ts";
import type { Kernel } from "./kernel.ts";
import { type AddressInfo, dumpAddresses, readAddress } from "./netlink/address-messages.ts";
import * as c from "./netlink/constants.ts";
import { dumpLinks, readLinks } from "./netlink/link-messages.ts";
import { MessageReader } from "./netlink/reader.ts";

/** The interface that carries the overlay's outer packets, followed as it changes. */
export interface UnderlayWatch {
  now(): Underlay;
  /** Each change of address, prefix or MTU. What is there no more tells nothing: the last known stays in force. */
  changes$: Observable<Underlay>;
}

/**
 * A change comes as several messages (address gone, address new, link); one look for them is enough. Counted from the first
 * of them: waiting for silence, a host whose other interfaces flap would never look.
 */
const settleMs = 50;

/**
 * @param wanted the name of a device, or one of its IPv4 addresses
 * @throws Error when there is no such device, or it has no IPv4 address
 */
export async function watchUnderlay(kernel: Kernel, wanted: string): Promise<UnderlayWatch> {
  const found = await look(kernel, wanted);
  if (typeof found === "string") throw new Error(`Cannot use underlay ${wanted}: ${found}`);
  let current = found;
  const changes$ = kernel.events$.pipe(
    filter((event) => event.scope === "host" && event.type === "messages" && event.protocol === "route"),
    filter((event) => event.type === "messages" && aboutLinksOrAddresses(event.bytes)),
    auditTime(settleMs),
    mergeMap(() => look(kernel, wanted), 1),
    filter((seen): seen is Underlay => typeof seen !== "string" && !same(seen, current)),
    map((seen) => {
      current = seen;
      return seen;
    }),
    share(),
  );
  return { now: () => current, changes$ };
}

/** The underlay as it is, or why there is none. */
async function look(kernel: Kernel, wanted: string): Promise<Underlay | string> {
  const [links, addresses] = await Promise.all([
    kernel.dump("host", dumpLinks()),
    kernel.dump("host", dumpAddresses()),
  ]);
  if (!links.ok) return links.failure.message;
  if (!addresses.ok) return addresses.failure.message;
  const devices = readLinks(links.value);
  const all = readAddresses(addresses.value);
  const given = all.find(({ address }) => address.split("/")[0] === wanted);
  const device = given
    ? devices.find(({ index }) => index === given.index)
    : devices.find(({ name }) => name === wanted);
  if (!device)
    return `expected a device or one of its IPv4 addresses, got neither; devices: ${devices.map(({ name }) => name).join(", ")}`;
  const first = given ?? all.find(({ index }) => index === device.index);
  if (!first) return `expected an IPv4 address on ${device.name}, got none`;
  const [address, length] = first.address.split("/") as [string, string];
  return { dev: device.name, address: ip(address), prefix: onLink(ip(address), Number(length)), mtu: device.mtu };
}

function readAddresses(dump: Uint8Array): AddressInfo[] {
  const reader = new MessageReader(dump);
  const addresses: AddressInfo[] = [];
  while (reader.next()) {
    const address = readAddress(reader);
    if (address) addresses.push(address);
  }
  return addresses;
}

function onLink(address: Ip, length: number): Cidr {
  return length === 32 ? hostPrefix(address) : cidr(prefixOf(address, length));
}

function same(a: Underlay, b: Underlay): boolean {
  return a.dev === b.dev && a.address === b.address && a.prefix === b.prefix && a.mtu === b.mtu;
}

function aboutLinksOrAddresses(bytes: Uint8Array): boolean {
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    if ([c.RTM_NEWLINK, c.RTM_DELLINK, c.RTM_NEWADDR, c.RTM_DELADDR].includes(reader.type)) return true;
  }
  return false;
}
