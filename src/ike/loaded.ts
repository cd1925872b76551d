import type { Child, Connection, Values } from "../desired/rows.ts";
import type { Ip } from "../model/address.ts";
import { isIp } from "../model/address.ts";
import type { Observed } from "../reconcile/kind.ts";
import { type Composer, carried, carriedChild, carriedTime, settingsDigest } from "./compose.ts";
import { connPrefix, peerOf, tunnelKey } from "./tunnel-key.ts";
import { list, type Message, section, sectionsOf, text } from "./vici/message.ts";

/** A connection as charon has it: what it was told, as far as that can be told. */
export interface Loaded {
  connection: Connection;
  children: Map<string, Child>;
  /** When charon was told this connection, by `monotonicMs`; what was made before is of another. */
  toldAt?: number;
  /** When a key was last taken from the peer, by `monotonicMs`: what was made before may have been proved by it. */
  revokedAt?: number;
}

/** The clock by which charon reckons ages: nobody sets it, and it outlives this process as far as charon can. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** What `list-conns` says of connections of ours, by name. */
export function loadedOf(events: readonly Message[], composer: Composer): Map<string, Loaded> {
  const digest = settingsDigest(composer);
  const found = new Map<string, Loaded>();
  for (const event of events)
    for (const [name, conn] of sectionsOf(event))
      if (name.startsWith(connPrefix)) found.set(name, loaded(name, conn, digest));
  return found;
}

function loaded(name: string, conn: Message, digest: string): Loaded {
  const local = section(conn, "local-1");
  const isOurs = text(local, "xauth_id") === digest;
  const groups = list(local, "groups");
  const connection = isOurs ? carried(groups) : undefined;
  const [toldAt, revokedAt] = [carriedTime(groups, "told"), carriedTime(groups, "revoked")];
  const children = sectionsOf(section(conn, "children")).map(([child, value]) => {
    const known = carriedChild(text(value, "interface") ?? "");
    return [child, known ?? strangeChild(value)] as const;
  });
  return {
    connection: connection ?? strangeConnection(name, conn),
    children: new Map(children),
    ...(toldAt !== undefined && { toldAt }),
    ...(revokedAt !== undefined && { revokedAt }),
  };
}

/**
 * What somebody else told charon, or we in another version: what can be seen of it, which is less than any wish says, so
 * that it is found to differ.
 */
function strangeConnection(name: string, conn: Message): Connection {
  const address = (field: string): Ip => {
    const [first = ""] = list(conn, field);
    return isIp(first) ? first : ("0.0.0.0" as Ip);
  };
  return {
    type: "connection",
    host: peerOf(name),
    local: address("local_addrs"),
    remote: address("remote_addrs"),
    encap: false,
    auth: { type: "pubkey", own: "", peer: [] },
  };
}

function strangeChild(child: Message): Child {
  return {
    type: "child",
    mode: text(child, "mode") === "TRANSPORT" ? "transport" : "tunnel",
    selector: list(child, "local-ts")[0] ?? "",
    label: labelOf(text(child, "label") ?? ""),
    reqid: 0,
    proposals: [],
  };
}

/** Whether charon was told this by something else than this version of ours. */
export function isStrange({ connection, children }: Loaded): boolean {
  return isStrangeConnection(connection) || children.values().some(({ reqid }) => reqid === 0);
}

export function isStrangeConnection({ auth }: Connection): boolean {
  return auth.type === "pubkey" && auth.own === "";
}

/** charon shows labels in hex, with the zero octet they end in. */
export function labelOf(hex: string): string {
  return Buffer.from(hex, "hex").toString().replace(/\0$/, "");
}

export function rowsOf(connections: ReadonlyMap<string, Loaded>): Observed<"tunnel">[] {
  const row = (key: string, value: Values["tunnel"]): Observed<"tunnel"> => ({
    kind: "tunnel",
    scope: "host",
    key,
    value,
  });
  return [...connections].flatMap(([conn, { connection, children }]) => [
    row(tunnelKey(conn), connection),
    ...[...children].map(([child, value]) => row(tunnelKey(conn, child), value)),
  ]);
}
