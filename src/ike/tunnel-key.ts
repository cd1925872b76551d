/** A row's key in charon's words: the connection, and the child where the row is one of its children. */
export interface TunnelName {
  conn: string;
  child?: string;
}

/** Connections of ours begin so; the rest is the peer's name. */
export const connPrefix = "conn-";

export function tunnelName(key: string): TunnelName {
  const [conn = "", child] = key.split(" ");
  return child === undefined ? { conn } : { conn, child };
}

export function tunnelKey(conn: string, child?: string): string {
  return child === undefined ? conn : `${conn} ${child}`;
}

/** `h2` of `conn-h2`. */
export function peerOf(conn: string): string {
  return conn.slice(connPrefix.length);
}
