import { type Brand, type Ip, isIp } from "./address.ts";

/** A key below the installation's prefix, as in `networks/blue`: what rows, events and messages name as a cause. */
export type RecordKey = Brand<"RecordKey">;

/** What a key addresses. Host and network names are path segments, so that etcd roles can grant by prefix. */
export type KeyPath =
  | { type: "network"; net: string }
  | { type: "host"; host: string }
  | { type: "alive"; host: string }
  | { type: "member"; net: string; host: string }
  | { type: "container"; net: string; host: string; id: string }
  | { type: "block"; net: string; block: string }
  | { type: "claim"; net: string; ip: Ip }
  | { type: "leader"; of: string }
  | { type: "service"; net: string; stack: string; service: string }
  | { type: "beacon"; area: "networks" | "hosts" | `keyspaces/${string}` }
  | { type: "status"; net: string; host: string };

/**
 * Names of networks, hosts and containers: DNS labels with `_` and `.` inside, at most 63 characters, so that they are
 * safe as file names, interface aliases and messages.
 */
export const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

export function isName(text: string): boolean {
  return namePattern.test(text) && !text.includes("..");
}

/** The key of a path; the inverse of `parseKey`. Blocks are written `10.42.64.64-26`, since `/` parts segments. */
export function keyOf(path: KeyPath): RecordKey {
  return toText(path) as RecordKey;
}

function toText(path: KeyPath): string {
  switch (path.type) {
    case "network":
      return `networks/${path.net}`;
    case "host":
      return `hosts/${path.host}`;
    case "alive":
      return `alive/${path.host}`;
    case "member":
      return `keyspaces/${path.net}/members/${path.host}`;
    case "container":
      return `keyspaces/${path.net}/containers/${path.host}/${path.id}`;
    case "block":
      return `keyspaces/${path.net}/blocks/${path.block}`;
    case "claim":
      return `addresses/${path.net}/${path.ip}`;
    case "leader":
      return `leaders/${path.of}`;
    case "service":
      return `keyspaces/${path.net}/services/${path.stack}/${path.service}`;
    case "beacon":
      return `${path.area}/.beacon`;
    case "status":
      return `status/${path.net}/${path.host}`;
  }
}

/** Characters: three names, the longest area, and room. etcd itself would take a megabyte of slashes. */
const longestKey = 256;

/** The path a key spells, or `undefined` for a key that is none of ours or has an unfit name in it. */
export function parseKey(key: string): KeyPath | undefined {
  if (key.length > longestKey) return undefined;
  const [area, first, second, third, fourth, ...rest] = key.split("/");
  if ((area === "networks" || area === "hosts") && first === ".beacon" && second === undefined)
    return { type: "beacon", area };
  if (rest.length > 0 || first === undefined || !isName(first)) return undefined;
  if (second === undefined) {
    if (area === "networks") return { type: "network", net: first };
    if (area === "hosts") return { type: "host", host: first };
    if (area === "alive") return { type: "alive", host: first };
    if (area === "leaders") return { type: "leader", of: first };
    return undefined;
  }
  if (area === "status" && third === undefined) {
    return isName(second) ? { type: "status", net: first, host: second } : undefined;
  }
  if (area === "addresses" && third === undefined)
    return isIp(second) ? { type: "claim", net: first, ip: second } : undefined;
  return area === "keyspaces" ? inKeyspace(first, second, third, fourth) : undefined;
}

function inKeyspace(net: string, area: string, name?: string, id?: string): KeyPath | undefined {
  if (area === ".beacon" && name === undefined) return { type: "beacon", area: `keyspaces/${net}` };
  if (name === undefined || !isName(name)) return undefined;
  if (area === "containers")
    return id !== undefined && isName(id) ? { type: "container", net, host: name, id } : undefined;
  if (area === "services")
    return id !== undefined && isName(id) ? { type: "service", net, stack: name, service: id } : undefined;
  if (id !== undefined) return undefined;
  if (area === "members") return { type: "member", net, host: name };
  if (area === "blocks") return { type: "block", net, block: name };
  return undefined;
}

/**
 * Written together by `skein wait`, one below each prefix that bears on a network: who has seen all of them has seen
 * everything before them. (etcd's own progress answers may overtake events before 3.4.25 and 3.5.8, etcd issue 15220.)
 */
export function beaconsOf(net: string): RecordKey[] {
  return (["networks", "hosts", `keyspaces/${net}`] as const).map((area) => keyOf({ type: "beacon", area }));
}
