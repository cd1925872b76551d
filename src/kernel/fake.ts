import { isDeepStrictEqual } from "node:util";
import { Subject } from "rxjs";
import { describeRow } from "../desired/print.ts";
import { type Kind, kinds, mark, policyKey, type Row, type Scope, type Values } from "../desired/rows.ts";
import {
  type Driver,
  type Drivers,
  type Failure,
  type Notice,
  type Observed,
  type Operation,
  rowId,
} from "../reconcile/kind.ts";
import { linkFulfils } from "./link-value.ts";

/** The kernel in memory, strict: what the real one refuses it refuses, and also an `add` of what is there already. */
export interface FakeKernel {
  readonly drivers: Drivers;
  /** Operations that changed something, successes only. */
  readonly writes: number;
  /** The next operation of the kind fails so; several calls queue up. */
  failNext(kind: Kind, failure: Failure): void;
  /** Somebody else deletes the row, and what hangs on it. */
  remove(row: Pick<Observed, "kind" | "scope" | "key">): void;
  /** Somebody else makes or changes the row, unchecked. */
  put(row: Observed): void;
  /** A container's namespace comes or goes; those never named exist. */
  appear(scope: Scope): void;
  vanish(scope: Scope): void;
  /** All rows as text lines, sorted. */
  print(): string;
}

export function fakeKernel(): FakeKernel {
  return new Fake();
}

class Fake implements FakeKernel {
  writes = 0;
  readonly drivers: Drivers;
  readonly #rows = new Map<string, Observed>();
  readonly #gone = new Set<Scope>();
  readonly #failures: { kind: Kind; failure: Failure }[] = [];
  readonly #notices = new Subject<Notice>();

  constructor() {
    const drivers = kinds.map((kind) => [kind, this.#driver(kind)]);
    this.drivers = Object.fromEntries(drivers) as unknown as Drivers;
  }

  failNext(kind: Kind, failure: Failure): void {
    this.#failures.push({ kind, failure });
  }

  put(row: Observed): void {
    this.#set(row);
  }

  remove(row: Pick<Observed, "kind" | "scope" | "key">): void {
    const found = this.#rows.get(rowId(row));
    if (found) this.#delete(found);
  }

  appear(scope: Scope): void {
    this.#gone.delete(scope);
    this.#notices.next({ type: "relist", scope, kinds, why: "the namespace appeared" });
  }

  vanish(scope: Scope): void {
    this.#gone.add(scope);
    this.#empty(scope);
  }

  print(): string {
    return [...this.#rows.values()]
      .map((row) => describeRow(row as Row))
      .sort()
      .join("\n");
  }

  #driver<K extends Kind>(kind: K): Driver<K> {
    const same: unknown = kind === "link" ? linkFulfils : undefined;
    return {
      kind,
      notices$: this.#notices,
      list: async (scope) => this.#in(scope).filter((row): row is Observed<K> => row.kind === kind),
      apply: async (scope, operations) => operations.map((operation) => this.#apply(scope, operation)),
      ...(same ? { same: same as (wish: Values[K], found: Values[K]) => boolean } : {}),
    };
  }

  #apply(scope: Scope, { verb, row }: Operation): Failure | undefined {
    if (row.scope !== scope) throw new Error(`Cannot apply batch: expected rows of ${scope}, got ${rowId(row)}`);
    const planned = this.#failures.findIndex((entry) => entry.kind === row.kind);
    if (planned >= 0) return this.#failures.splice(planned, 1)[0]?.failure;
    const old = this.#rows.get(rowId(row));
    if (verb === "remove") {
      if (!old) return undefined;
      this.#delete(old);
    } else {
      const refusal = this.#missingNamespace(scope) ?? this.#refusal(verb, row as Observed, old);
      if (refusal) return refusal;
      const { kind, key, value } = row as Observed;
      this.#set({ kind, scope, key, value });
    }
    this.writes++;
    return undefined;
  }

  /** Somebody must have asked for the impossible, or in the wrong order. */
  #refusal(verb: "add" | "replace", row: Observed, old: Observed | undefined): Failure | undefined {
    const isFarEnd = row.kind === "link" && (row.value as Values["link"]).type === "veth-peer";
    if (isFarEnd)
      return old ? undefined : wait("ENODEV", `Cannot adjust ${rowId(row)}: expected its pair, got no such link`);
    if (verb === "add" && old)
      return retry("EEXIST", `Cannot add ${rowId(row)}: expected it absent, got "${describeRow(old as Row)}"`);
    if (verb === "replace" && !old)
      return retry("ENOENT", `Cannot replace ${rowId(row)}: expected it present, got none`);
    return this.#needs(row).find((failure) => failure !== undefined);
  }

  #needs({ kind, scope, key, value }: Observed): (Failure | undefined)[] {
    switch (kind) {
      case "address":
      case "neighbour":
        return [this.#needsLink(scope, (value as Values["address"]).dev)];
      case "fdb":
        return [this.#needsLink(scope, (value as Values["fdb"]).dev, "vxlan")];
      case "route": {
        const route = value as Values["route"];
        return route.type === "unicast" ? [this.#needsLink(scope, route.dev)] : [];
      }
      case "link": {
        const link = value as Values["link"];
        if (link.type === "xfrm") return [this.#takenIfId(scope, key, link.ifId)];
        if (link.type !== "veth") return [];
        return [
          link.master ? this.#needsLink(scope, link.master, "bridge") : undefined,
          this.#missingNamespace(link.peer.scope),
        ];
      }
      case "sysctl": {
        const dev = /^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./.exec(key)?.[1]?.replaceAll("/", ".");
        return dev && !["all", "default", "lo"].includes(dev) ? [this.#needsLink(scope, dev)] : [];
      }
      case "guard":
      case "translation": {
        const nft = value as Values["guard"];
        if (nft.object !== "element" || this.#rows.has(rowId({ kind, scope, key: `${nft.family} set ${nft.set}` })))
          return [];
        return [retry("ENOENT", `Cannot add ${key}: expected set ${nft.set}, got none`)];
      }
      case "tunnel": {
        const [connection = key, child] = key.split(" ");
        if (child === undefined || this.#rows.has(rowId({ kind, scope, key: connection }))) return [];
        return [retry("ENOENT", `Cannot add ${key}: expected connection ${connection}, got none`)];
      }
      case "policy": {
        const wanted = policyKey(value as Values["policy"]);
        if (scope === "host" && key === wanted) return [];
        throw new Error(`Cannot add policy: expected ${wanted} of the host, got ${key} of ${scope}`);
      }
      case "namespace":
      case "resolver":
        return [];
    }
  }

  /** The kernel knows xfrm interfaces by their numbers, whatever namespace each has gone to. */
  #takenIfId(scope: Scope, key: string, ifId: number): Failure | undefined {
    for (const row of this.#rows.values()) {
      const link = row.kind === "link" ? (row.value as Values["link"]) : undefined;
      const isSame = row.scope === scope && row.key === key;
      if (link?.type !== "xfrm" || link.ifId !== ifId || isSame) continue;
      const found = describeRow(row as Row);
      return retry("EEXIST", `Cannot add link ${scope} ${key}: expected if_id ${ifId} free, got "${found}"`);
    }
    return undefined;
  }

  #needsLink(scope: Scope, dev: string, type?: string): Failure | undefined {
    const link = this.#rows.get(rowId({ kind: "link", scope, key: dev }));
    const found = (link?.value as Values["link"] | undefined)?.type;
    if (found !== undefined && (type === undefined || found === type)) return undefined;
    return retry(
      "ENODEV",
      `Cannot find device ${dev} in ${scope}: expected ${type ?? "a link"}, got ${found ?? "none"}`,
    );
  }

  #missingNamespace(scope: Scope): Failure | undefined {
    const name = scope.startsWith("net:") ? `${mark.namespace}${scope.slice(4)}` : undefined;
    const isThere = name
      ? this.#rows.has(rowId({ kind: "namespace", scope: "host", key: name }))
      : !this.#gone.has(scope);
    return isThere ? undefined : wait("NETNS_MISSING", `Cannot open ${scope}: expected a network namespace, got none`);
  }

  #set(row: Observed): void {
    const old = this.#rows.get(rowId(row));
    const value = row.kind === "link" ? withMac(row.value as Values["link"], rowId(row)) : row.value;
    const now = { ...row, value };
    this.#rows.set(rowId(row), now);
    if (!old || !isDeepStrictEqual(old.value, value)) this.#notices.next({ type: "present", row: now });
    if (row.kind === "link") this.#setPeer(value as Values["link"]);
    if (!old && row.kind === "link") this.#relist(row.scope, ["sysctl"], `link ${row.key} appeared`);
    if (!old && row.kind === "namespace") this.#relist(netScope(row.key), kinds, "the namespace appeared");
  }

  #setPeer(link: Values["link"]): void {
    if (link.type !== "veth") return;
    const { scope, name: key, mac } = link.peer;
    if (this.#rows.has(rowId({ kind: "link", scope, key }))) return;
    this.#set({ kind: "link", scope, key, value: { type: "veth-peer", mtu: link.mtu, up: true, ...(mac && { mac }) } });
  }

  #delete(row: Observed): void {
    if (!this.#rows.delete(rowId(row))) return;
    this.#notices.next({ type: "absent", kind: row.kind, scope: row.scope, key: row.key });
    if (row.kind === "namespace") this.#empty(netScope(row.key));
    if (row.kind === "tunnel") this.#deleteChildren(row.scope, row.key);
    if (row.kind === "link") this.#deleteLink(row.scope, row.key, row.value as Values["link"]);
  }

  /** charon keeps a connection and its children as one. */
  #deleteChildren(scope: Scope, connection: string): void {
    for (const row of this.#in(scope))
      if (row.kind === "tunnel" && row.key.startsWith(`${connection} `)) this.#delete(row);
  }

  /** What the kernel drops with a link, most of it silently. */
  #deleteLink(scope: Scope, dev: string, link: Values["link"]): void {
    for (const row of this.#in(scope)) if ("dev" in row.value && row.value.dev === dev) this.#rows.delete(rowId(row));
    this.#relist(scope, ["sysctl", "address", "neighbour", "fdb", "route"], `link ${dev} went`);
    for (const other of [...this.#rows.values()]) {
      if (other.kind === "link" && arePair({ scope, key: dev, link }, other as Observed<"link">)) this.#delete(other);
    }
  }

  #empty(scope: Scope): void {
    for (const row of this.#in(scope)) if (row.kind === "link") this.#delete(row);
    for (const row of this.#in(scope)) this.#rows.delete(rowId(row));
    this.#relist(scope, kinds, "the namespace went");
  }

  #in(scope: Scope): Observed[] {
    return [...this.#rows.values()].filter((row) => row.scope === scope);
  }

  #relist(scope: Scope, these: readonly Kind[], why: string): void {
    this.#notices.next({ type: "relist", scope, kinds: these, why });
  }
}

function arePair(gone: { scope: Scope; key: string; link: Values["link"] }, other: Observed<"link">): boolean {
  const isEnd = (link: Values["link"], scope: Scope, key: string) =>
    link.type === "veth" && link.peer.scope === scope && link.peer.name === key;
  return isEnd(gone.link, other.scope, other.key) || isEnd(other.value, gone.scope, gone.key);
}

/** A link always has an address; where the wish names none the kernel takes a random one. */
function withMac(link: Values["link"], id: string): Values["link"] {
  if (link.mac) return link;
  const sum = [...id].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7);
  const tail = [24, 16, 8, 0].map((shift) => ((sum >>> shift) & 255).toString(16).padStart(2, "0"));
  return { ...link, mac: `fe:00:${tail.join(":")}` as NonNullable<Values["link"]["mac"]> };
}

function netScope(namespace: string): Scope {
  return `net:${namespace.slice(mark.namespace.length)}`;
}

function retry(code: string, message: string): Failure {
  return { code, message, next: "retry" };
}

function wait(code: string, message: string): Failure {
  return { code, message, next: "wait" };
}
