import { reqidOf } from "../../../src/desired/backends/security.ts";
import { firstIfId, type RowOf, type Values } from "../../../src/desired/rows.ts";
import type { Told } from "../../../src/ike/compose.ts";
import { tunnelKey, tunnelName } from "../../../src/ike/tunnel-key.ts";
import type { Ip } from "../../../src/model/address.ts";
import { net, peerAt, someKey } from "../world.ts";

type TunnelRow = RowOf<"tunnel">;

/** What charon is to know of the n-th host of an encrypted network: its connection and the network's child. */
export function tunnelRows(n: number, own: Ip): TunnelRow[] {
  const { name, underlay } = peerAt(n);
  const conn = `conn-${name}`;
  return [
    row(tunnelKey(conn), {
      type: "connection",
      host: name,
      local: own,
      remote: underlay,
      encap: true,
      auth: { type: "pubkey", own: someKey, peer: [someKey] },
    }),
    row(tunnelKey(conn, `child-${net}`), {
      type: "child",
      mode: "tunnel",
      selector: "0.0.0.0/0",
      label: net,
      reqid: reqidOf(name),
      ifId: firstIfId,
      proposals: ["aes128gcm16-x25519", "aes256gcm16-x25519", "chacha20poly1305-x25519", "aes128-sha256-x25519"],
    }),
  ];
}

/** The same as one load-conn takes it, with its name. */
export function toldOf([connection, child]: readonly TunnelRow[]): { conn: string; told: Told } {
  if (connection?.value.type !== "connection" || child?.value.type !== "child")
    throw new Error("Cannot compose a connection: expected its row and its child's");
  const { conn } = tunnelName(connection.key);
  return { conn, told: { connection: connection.value, children: new Map([[`child-${net}`, child.value]]) } };
}

function row(key: string, value: Values["tunnel"]): TunnelRow {
  return { kind: "tunnel", scope: "host", key, value, because: [] };
}
