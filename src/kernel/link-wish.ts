import { isDeepStrictEqual } from "node:util";
import type { Link } from "../desired/rows.ts";

/** Whether the link found fulfils the wish: an address the wish does not name may be any. */
export function linkFulfils(wish: Link, found: Link): boolean {
  return isDeepStrictEqual(plain(wish), plain(asWished(wish, found)));
}

function asWished(wish: Link, found: Link): Link {
  const { mac, ...rest } = found;
  const near = wish.mac && mac ? { ...found } : (rest as Link);
  if (near.type !== "veth" || wish.type !== "veth" || wish.peer.mac) return near;
  const { mac: _any, ...peer } = near.peer;
  return { ...near, peer };
}

/** Without fields set to `undefined`, which deep equality counts as fields. */
function plain(link: Link): unknown {
  return JSON.parse(JSON.stringify(link));
}
