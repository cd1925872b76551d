import type { Ip } from "../model/address.ts";
import type { Container } from "../model/container.ts";
import { decode } from "../model/decode.ts";
import { parseKey } from "../model/keys.ts";
import { compareRevisions, type Revision } from "../model/revision.ts";
import type { StoreEvent } from "../store/event.ts";
import type { Stored } from "../store/stored.ts";

/** A container record of this host, as far as addresses go. */
export interface OwnRecord {
  key: string;
  net: string;
  id: string;
  /** Of its last write: what an allocation swaps against. */
  revision: Revision;
  created: Revision;
  ip?: Ip;
  /** All that stands in the record, known fields or not; kept while there is an address to be written into it. */
  whole?: object;
  /** Of the claim on `ip`, once it is known. */
  sequence?: number;
}

/** An address that a record of this host no longer has. */
export interface Departed {
  key: string;
  net: string;
  id: string;
  ip: Ip;
  sequence?: number;
}

/** This host's container records: the world keeps what rows follow from, an allocation needs revisions and whole values. */
export interface OwnRecords {
  get(key: string): OwnRecord | undefined;
  all(): Iterable<OwnRecord>;
  /** @returns the key where the event was about a record of this host */
  take(event: StoreEvent): string | undefined;
  /** What a read or a failed swap found under the key. */
  accept(key: string, stored: Stored | undefined): void;
  /** This host gave the record an address itself. */
  gave(record: OwnRecord, ip: Ip, revision: Revision, sequence: number): void;
  /** Addresses still to be released, by the key of the record that had them. */
  departed(key: string): readonly Departed[];
  depart(gone: Departed): void;
  released(gone: Departed): void;
  /** The network is watched no more. */
  forget(net: string): void;
}

export function createOwnRecords(host: string): OwnRecords {
  const records = new Map<string, OwnRecord>();
  const gone = new Map<string, Departed[]>();
  // Before anything is parsed: nearly every event of a large world is about another host's record.
  const mark = `/containers/${host}/`;

  function depart(departed: Departed): void {
    const list = gone.get(departed.key) ?? [];
    if (list.some(({ ip, sequence }) => ip === departed.ip && sequence === departed.sequence)) return;
    gone.set(departed.key, [...list, departed]);
  }

  function become(key: string, next: OwnRecord | undefined): void {
    const before = records.get(key);
    if (next) records.set(key, next);
    else records.delete(key);
    if (before?.ip === undefined) return;
    const { net, id, ip, sequence } = before;
    if (before.ip !== next?.ip) depart({ key, net, id, ip, ...(sequence !== undefined && { sequence }) });
    else if (sequence !== undefined && before.created === next.created) next.sequence = sequence;
  }

  return {
    get: (key) => records.get(key),
    all: () => records.values(),
    departed: (key) => gone.get(key) ?? [],
    depart,
    take(event) {
      // Another history: what was known of revisions holds no more.
      if (event.type === "doubt") for (const record of records.values()) record.revision = "0" as Revision;
      if ((event.type !== "put" && event.type !== "delete") || !event.key.includes(mark)) return undefined;
      const known = records.get(event.key);
      // What this host wrote itself it knows before the watch tells of what was written earlier.
      if (known && compareRevisions(event.revision, known.revision) < 0) return undefined;
      const next = event.type === "put" ? ownRecord(host, event.key, event) : undefined;
      if (next === undefined && known === undefined) return undefined;
      become(event.key, next);
      return event.key;
    },
    accept: (key, stored) => become(key, stored && ownRecord(host, key, stored)),
    gave({ whole: _, ...record }, ip, revision, sequence) {
      records.set(record.key, { ...record, ip, revision, sequence });
    },
    released({ key, ip, sequence }) {
      const left = (gone.get(key) ?? []).filter((other) => other.ip !== ip || other.sequence !== sequence);
      if (left.length > 0) gone.set(key, left);
      else gone.delete(key);
    },
    forget(net) {
      for (const [key, record] of records) if (record.net === net) records.delete(key);
    },
  };
}

/** `undefined` for what is no record of this host: the world has none there either. */
function ownRecord(
  host: string,
  key: string,
  { value, revision, created }: Pick<Stored, "value" | "revision" | "created">,
): OwnRecord | undefined {
  const path = parseKey(key);
  if (path?.type !== "container" || path.host !== host) return undefined;
  const decoded = decode(key, value);
  if (!decoded || !("path" in decoded)) return undefined;
  const { ip } = decoded.value as Container;
  const own = { key, net: path.net, id: path.id, revision, created };
  return ip === undefined ? { ...own, whole: JSON.parse(value.toString("utf8")) } : { ...own, ip };
}
