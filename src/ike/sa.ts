import { labelOf } from "./loaded.ts";
import { connPrefix } from "./tunnel-key.ts";
import { list, type Message, number, section, sectionsOf, text } from "./vici/message.ts";

/** An IKE_SA as list-sas shows it. */
export interface IkeSa {
  /** charon's number of it; another after each rekeying. */
  id: string;
  conn: string;
  /** charon's word: CONNECTING, ESTABLISHED, REKEYING, DELETING... */
  state: string;
  /** Whether this host began it. */
  initiator: boolean;
  /** Whether it is about to make a child. */
  isMaking: boolean;
  establishedS: number;
  rekeyInS?: number;
  local: string;
  remote: string;
  cipher: string;
  children: readonly ChildSa[];
}

/** The kernel's two SAs of a CHILD_SA: their numbers, in hex, and what passed since the last rekeying. */
export interface SaPair {
  spiIn: string;
  spiOut: string;
  bytesIn: number;
  bytesOut: number;
  packetsIn: number;
  packetsOut: number;
}

/** A CHILD_SA. */
export interface ChildSa extends SaPair {
  id: string;
  name: string;
  label: string;
  /** charon's word: INSTALLED, REKEYING, REKEYED, DELETING... */
  state: string;
  mode: "tunnel" | "transport";
  encap: boolean;
  cipher: string;
  installedS: number;
  rekeyInS?: number;
}

/** What `list-sas` says of connections of ours; each event holds one. */
export function sasOf(events: readonly Message[]): IkeSa[] {
  return events.flatMap((event) =>
    sectionsOf(event).flatMap(([conn, sa]) => (conn.startsWith(connPrefix) ? [ikeSa(conn, sa)] : [])),
  );
}

/** Whether it carries children. */
export function isLive({ state }: IkeSa): boolean {
  return state === "ESTABLISHED" || state === "REKEYING";
}

export function childrenOf(sas: readonly IkeSa[]): ChildSa[] {
  return sas.flatMap(({ children }) => children);
}

/** Whether packets pass. */
export function isUp({ state }: ChildSa): boolean {
  return state === "INSTALLED" || state === "REKEYING" || state === "UPDATING";
}

function ikeSa(conn: string, sa: Message): IkeSa {
  const tasks = [...list(sa, "tasks-active"), ...list(sa, "tasks-queued")];
  return {
    id: text(sa, "uniqueid") ?? "",
    conn,
    state: text(sa, "state") ?? "",
    initiator: text(sa, "initiator") === "yes",
    isMaking: tasks.some((task) => task.includes("CHILD_CREATE")),
    establishedS: number(sa, "established") ?? 0,
    ...optional("rekeyInS", number(sa, "rekey-time")),
    local: `${text(sa, "local-host")}:${text(sa, "local-port")}`,
    remote: `${text(sa, "remote-host")}:${text(sa, "remote-port")}`,
    cipher: [cipherOf(sa), text(sa, "prf-alg"), text(sa, "dh-group")].filter(Boolean).join("/"),
    children: sectionsOf(section(sa, "child-sas")).map(([, child]) => childSa(child)),
  };
}

export function childSa(child: Message): ChildSa {
  const count = (name: string) => number(child, name) ?? 0;
  return {
    id: text(child, "uniqueid") ?? "",
    name: text(child, "name") ?? "",
    label: labelOf(text(child, "label") ?? ""),
    state: text(child, "state") ?? "",
    mode: text(child, "mode") === "TRANSPORT" ? "transport" : "tunnel",
    encap: text(child, "encap") === "yes",
    cipher: cipherOf(child),
    spiIn: text(child, "spi-in") ?? "",
    spiOut: text(child, "spi-out") ?? "",
    bytesIn: count("bytes-in"),
    bytesOut: count("bytes-out"),
    packetsIn: count("packets-in"),
    packetsOut: count("packets-out"),
    installedS: count("install-time"),
    ...optional("rekeyInS", number(child, "rekey-time")),
  };
}

/** `AES_GCM_16-128`, `AES_CBC-128/HMAC_SHA2_256_128`. */
function cipherOf(sa: Message): string {
  const size = text(sa, "encr-keysize");
  const cipher = `${text(sa, "encr-alg") ?? ""}${size === undefined ? "" : `-${size}`}`;
  return [cipher, text(sa, "integ-alg")].filter(Boolean).join("/");
}

function optional<K extends string>(name: K, value: number | undefined): { [name in K]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [name in K]: number });
}
