import { createHash } from "node:crypto";

/** Interface names hold 15 characters (IFNAMSIZ 16 with the final NUL). */
const longest = 15;

/** The near end of a container's pair, on the bridge of its network: `skc` and 12 hex digits, one name a container. */
export function portName(net: string, host: string, id: string): string {
  return `skc${digest(`${net} ${host}/${id}`).slice(0, longest - 3)}`;
}

/**
 * The host's end of a network's uplink: `sku-blue`, or a digest where the name is too long. `_` begins no name, so that no
 * network can be named like another's digest.
 */
export function uplinkName(net: string): string {
  const name = `sku-${net}`;
  return name.length <= longest ? name : `sku-_${digest(net).slice(0, longest - 5)}`;
}

/** Every uplink of ours, as an nft wildcard. */
export const anyUplink = "sku-*";

/** 32 bits of a text's digest, for choices that every restart must make alike. */
export function hash32(text: string): number {
  return Number.parseInt(digest(text).slice(0, 8), 16);
}

/** The devices inside a network's namespace. */
export const inside = { bridge: "br0", tunnel: "vx0", xfrm: "xf0", uplink: "up0", container: "eth0" } as const;

function digest(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
