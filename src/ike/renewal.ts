import type { Connection } from "../desired/rows.ts";
import { isStrangeConnection } from "./loaded.ts";

/**
 * Whether an IKE_SA made by the one row is wrong by the other, and not only another than would be made now. A further key
 * of the peer, or another own key, makes nothing wrong; a key that is no longer the peer's may be the one it was made by.
 */
export function mustRenew(was: Connection, now: Connection): boolean {
  if (was.local !== now.local || was.remote !== now.remote || was.encap !== now.encap) return true;
  if (was.auth.type === "psk" || now.auth.type === "psk") return was.auth.type !== now.auth.type;
  return isStrangeConnection(was) || isRevoked(was, now);
}

/** Whether a key by which the peer may have proved itself is its no more. */
export function isRevoked(was: Connection, now: Connection): boolean {
  if (was.auth.type === "psk" || now.auth.type === "psk") return false;
  const { peer } = now.auth;
  return !was.auth.peer.every((key) => peer.includes(key));
}
