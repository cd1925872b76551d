import { createHash } from "node:crypto";
import type { Child, Connection } from "../desired/rows.ts";
import { spkiOf } from "./public-key.ts";
import type { Timings } from "./timings.ts";
import type { Message } from "./vici/message.ts";

/**
 * What charon is told of one peer, as swanctl.conf(5) has it, and back.
 *
 * charon keeps, and lists, a few texts that it makes no use of here: XAuth's name and groups on our own side (both are
 * IKEv1's), and the interface of a child's policies, which are not charon's. Rows travel there, so that an agent that
 * starts finds what charon was told, whoever told it, and writes only what differs.
 */
export interface Told {
  connection: Connection;
  children: ReadonlyMap<string, Child>;
  toldAt?: number;
  revokedAt?: number;
}

/** What of the composition is the same for every connection. */
export interface Composer {
  /** This host's name. */
  host: string;
  timings: Pick<Timings, "ikeRekeyS" | "childRekeyS" | "dpdDelayS">;
  /** For a charon with other means than the kernel's: the last word on what a child is. */
  shape?(child: Message, name: string): Message;
}

/** IKE proposals, the best first: AEAD with X25519, or what every implementation has. */
const ikeProposals = ["aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-x25519", "aes128-sha256-x25519"];

/**
 * A child of which there is to be another CHILD_SA beside the one that stands. charon makes none where it has one of the
 * same child already; it takes this for another one, since what it has no use for differs.
 */
export interface Anew {
  child: string;
  /** Digits, never the same twice. */
  mark: string;
}

/** The one section of load-conn. */
export function compose({ connection, children, toldAt, revokedAt }: Told, composer: Composer, anew?: Anew): Message {
  const { host, local, remote, encap, auth } = connection;
  const { ikeRekeyS, dpdDelayS } = composer.timings;
  const groups = [...carry(connection), ...carryTime("told", toldAt), ...carryTime("revoked", revokedAt)];
  const sections = [...children].map(
    ([name, child]) =>
      [name, composeChild(child, name, composer, name === anew?.child ? `.${anew.mark}` : "")] as const,
  );
  const mine = auth.type === "pubkey" ? { auth: "pubkey", pubkeys: [spkiOf(auth.own)] } : { auth: "psk" };
  const theirs = auth.type === "pubkey" ? { auth: "pubkey", pubkeys: auth.peer.map(spkiOf) } : { auth: "psk" };
  return {
    version: "2",
    local_addrs: [local],
    remote_addrs: [remote],
    proposals: ikeProposals,
    encap: yes(encap),
    // Addresses change by rows, not by what charon finds out by itself.
    mobike: "no",
    // With "no" each side heeds the other's INITIAL_CONTACT: where both begin at once, each may drop the SA that the other
    // keeps, without a word. Duplicates are settled in the open instead.
    unique: "never",
    // One attempt at a time: when to try again is ours to say.
    keyingtries: "1",
    rekey_time: `${ikeRekeyS}s`,
    dpd_delay: `${dpdDelayS}s`,
    local: { ...mine, id: `fqdn:${composer.host}`, xauth_id: settingsDigest(composer), groups },
    remote: { ...theirs, id: `fqdn:${host}` },
    children: Object.fromEntries(sections),
  };
}

function composeChild(child: Child, name: string, composer: Composer, mark: string): Message {
  const { mode, selector, label, reqid, ifId, proposals } = child;
  const section: Message = {
    mode,
    local_ts: [selector],
    remote_ts: [selector],
    esp_proposals: proposals,
    label,
    label_mode: "simple",
    reqid: `${reqid}`,
    policies: "no",
    ...(ifId !== undefined && { if_id_in: `${ifId}`, if_id_out: `${ifId}` }),
    replay_window: "1024",
    rekey_time: `${composer.timings.childRekeyS}s`,
    start_action: "none",
    close_action: "none",
    dpd_action: "clear",
    interface: `${textOf(child)}${mark}`,
  };
  return composer.shape?.(section, name) ?? section;
}

/**
 * Tells connections apart that were composed in another way: by other timings, or by another version of this file. It
 * goes with the connection, since a change of it changes all.
 */
export function settingsDigest(composer: Composer): string {
  const { ikeRekeyS, childRekeyS, dpdDelayS } = composer.timings;
  const text = JSON.stringify([composeVersion, composer.host, ikeRekeyS, childRekeyS, dpdDelayS, ikeProposals]);
  return `settings-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

/** To be raised with any other change of what is composed of the same row. */
const composeVersion = 1;

/** charon prints a name with 511 characters at most. */
const longestPiece = 400;

/** In pieces, numbered: nothing says that groups are listed in the order they were given. */
function carry(connection: Connection): string[] {
  const whole = textOf(connection);
  const count = Math.ceil(whole.length / longestPiece);
  return Array.from({ length: count }, (_, at) => `${at}.${whole.slice(at * longestPiece, (at + 1) * longestPiece)}`);
}

/**
 * When the connection was told, and when a key was last taken from the peer. Without the first, charon would take an IKE_SA
 * for one of the connection that was told, changed, and told again, and go by what that one was told at first.
 */
type Time = "told" | "revoked";

function carryTime(of: Time, at: number | undefined): string[] {
  return at === undefined ? [] : [`${of}.${at}`];
}

export function carriedTime(groups: readonly string[], of: Time): number | undefined {
  const found = groups.find((group) => group.startsWith(`${of}.`))?.slice(of.length + 1);
  return found !== undefined && /^\d+$/.test(found) ? Number(found) : undefined;
}

/** What `carry` was given; undefined where it is none of ours. */
export function carried(groups: readonly string[]): Connection | undefined {
  const pieces = groups.map((group) => /^(\d{1,3})\.(.*)$/s.exec(group)).filter((piece) => piece !== null);
  const sorted = pieces.toSorted((a, b) => Number(a[1]) - Number(b[1]));
  const value = rowValue(sorted.map((piece) => piece[2]).join(""));
  return value?.type === "connection" ? value : undefined;
}

export function carriedChild(text: string): Child | undefined {
  const value = rowValue(text.replace(/\.\d+$/, ""));
  return value?.type === "child" ? value : undefined;
}

/** Letters, digits, - and _ only: an identity with others would be taken for a name of X.500 or an address. */
function textOf(value: Connection | Child): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function rowValue(text: string): Connection | Child | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return typeof value === "object" && value !== null ? (value as Connection | Child) : undefined;
  } catch {
    return undefined;
  }
}

function yes(is: boolean): string {
  return is ? "yes" : "no";
}
