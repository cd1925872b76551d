import { type Observable, Subject } from "rxjs";
import type { Link, Scope } from "../desired/rows.ts";
import type { Failure, Notice, Observed } from "../reconcile/kind.ts";
import { addresses } from "./addresses.ts";
import { fdb } from "./fdb.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import { LinkTable } from "./link-table.ts";
import { isOurs, linkValue, peerPlace } from "./link-value.ts";
import { neighbours } from "./neighbours.ts";
import * as c from "./netlink/constants.ts";
import { dumpLinks, type LinkInfo, readLink, readLinks } from "./netlink/link-messages.ts";
import { MessageReader } from "./netlink/reader.ts";
import { routes } from "./routes.ts";
import type { MessageKind } from "./row-codec.ts";

/** The kinds that hang on devices, and that the kernel drops with them, some without a word. */
const dependents: readonly MessageKind[] = ["address", "neighbour", "fdb", "route"];
/** How long a container's namespace without anything of ours stays open: a pair that is made anew takes milliseconds. */
const idleMs = 1000;

/** What was last told of a link, so that a change of nothing we compare is no news. */
interface Told {
  key: string;
  text: string;
}

interface Known {
  table: LinkTable;
  told: Map<number, Told>;
}

/** Follows the links of every scope in use, and turns what the kernel tells into notices. */
export class Scopes {
  readonly notices$: Observable<Notice>;
  readonly #kernel: Kernel;
  readonly #known = new Map<Scope, Known>();
  readonly #notices = new Subject<Notice>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.notices$ = this.#notices.asObservable();
    kernel.events$.subscribe({ next: (event) => this.#take(event), complete: () => this.#notices.complete() });
  }

  /** The links of a scope, followed from now on, or why it cannot be looked into. */
  async ready(scope: Scope): Promise<LinkTable | Failure> {
    return this.#known.get(scope)?.table ?? (await this.reload(scope));
  }

  /** As `ready`, but asks the kernel in any case. */
  async reload(scope: Scope): Promise<LinkTable | Failure> {
    const answer = await this.#kernel.dump(scope, dumpLinks());
    if (!answer.ok) return answer.failure;
    const links = readLinks(answer.value);
    const known = this.#known.get(scope);
    if (known) known.table.replace(links);
    else this.#known.set(scope, { table: new LinkTable(scope, links), told: new Map() });
    this.#reviewPairs(scope);
    return this.#known.get(scope)?.table as LinkTable;
  }

  /** Every link of ours in the scope; looks into the scopes of far ends too, to see whether pairs are whole. */
  async links(scope: Scope): Promise<Observed<"link">[] | Failure> {
    const table = await this.reload(scope);
    if ("code" in table) return table;
    const places = [...table.all()].map(peerPlace);
    await Promise.all([...new Set(places.map((place) => place?.scope))].map((other) => other && this.ready(other)));
    const rows: Observed<"link">[] = [];
    for (const link of table.all()) {
      const row = this.#observe(table, link);
      this.#remember(table, link, row);
      if (row) rows.push(row);
    }
    return rows;
  }

  value(table: LinkTable, link: LinkInfo): Link | undefined {
    const place = peerPlace(link);
    return linkValue(table, link, place && this.#known.get(place.scope)?.table);
  }

  /** The near end of the pair whose far end this is wished to be. */
  nearEnd(scope: Scope, name: string): LinkInfo | undefined {
    for (const [, link] of this.#nearEnds(scope, name)) return link;
    return undefined;
  }

  #take(event: KernelEvent): void {
    const known = this.#known.get(event.scope);
    if (!known) return;
    if (event.type === "messages") {
      if (event.protocol === "route") this.#read(known, event.bytes);
      return;
    }
    if (event.type === "lost" && event.protocol !== "route") return;
    this.#known.delete(event.scope);
    if (event.type === "lost") this.#relist(event.scope, ["link", ...dependents], "the kernel's events overflowed");
    else this.#reviewPairs(event.scope);
  }

  #read(known: Known, bytes: Uint8Array): void {
    const message = new MessageReader(bytes);
    while (message.next()) {
      switch (message.type) {
        case c.RTM_NEWLINK:
        case c.RTM_DELLINK:
          this.#takeLink(known, message);
          break;
        case c.RTM_NEWADDR:
          this.#tell(addresses.read(message, known.table));
          break;
        case c.RTM_DELADDR:
          this.#tell(addresses.read(message, known.table));
          this.#withered(known.table, message.u32(4));
          break;
        case c.RTM_NEWNEIGH:
        case c.RTM_DELNEIGH:
          this.#tell((message.u8(0) === c.AF_BRIDGE ? fdb : neighbours).read(message, known.table));
          break;
        case c.RTM_NEWROUTE:
        case c.RTM_DELROUTE:
          this.#tell(routes.read(message, known.table));
          break;
      }
    }
  }

  #takeLink({ table, told }: Known, message: MessageReader): void {
    const link = readLink(message);
    if (!link) return;
    const old = table.at(link.index);
    const isGone = message.type === c.RTM_DELLINK;
    if (isGone) table.delete(link.index);
    else table.set(link);
    if (isGone) this.#tellGone(table, told, link.index);
    else this.#tellOf(table, link);
    if (old && (isGone || old.name !== link.name || (old.up && !link.up))) this.#dropped(table, old);
    // The first message of a far end comes before the kernel has tied the pair, and names no other end.
    const isRetied = isGone || old?.name !== link.name || old.peer !== link.peer;
    if (link.type === "veth" && isRetied) this.#reviewPairs(table.scope);
    if (isGone && table.scope.startsWith("at:")) this.#forgetWhenIdle(table);
  }

  /** `link down` takes IPv4 routes with no event at all; a link that goes takes everything on it. */
  #dropped(table: LinkTable, link: LinkInfo): void {
    if (table.carries(link.name)) this.#relist(table.scope, dependents, `link ${link.name} went down or away`);
  }

  /** An address that goes takes the routes that prefer it as source, and a device's last one all of them, with no event. */
  #withered(table: LinkTable, index: number): void {
    const link = table.at(index);
    if (link && table.carries(link.name)) this.#relist(table.scope, ["route"], `an address of ${link.name} went`);
  }

  #tellOf(table: LinkTable, link: LinkInfo): void {
    const told = this.#known.get(table.scope)?.told.get(link.index);
    const row = this.#observe(table, link);
    const now = this.#remember(table, link, row);
    if (now?.key === told?.key && now?.text === told?.text) return;
    if (told && told.key !== now?.key) this.#absent(table.scope, told.key);
    if (row) this.#tell({ type: "present", row });
  }

  #tellGone(table: LinkTable, told: Map<number, Told>, index: number): void {
    const last = told.get(index);
    told.delete(index);
    if (last && !table.named(last.key)) this.#absent(table.scope, last.key);
  }

  /** A far end came, went or was renamed: whether a pair is whole is a matter of both its scopes. */
  #reviewPairs(scope: Scope): void {
    for (const [table, link] of [...this.#nearEnds(scope)]) this.#tellOf(table, link);
  }

  *#nearEnds(scope: Scope, name?: string): Iterable<[LinkTable, LinkInfo]> {
    for (const { table } of this.#known.values()) {
      for (const link of table.all()) {
        const place = peerPlace(link);
        if (place?.scope === scope && (name === undefined || place.name === name)) yield [table, link];
      }
    }
  }

  /** A descriptor held keeps a container's namespace alive after its container. */
  #forgetWhenIdle(table: LinkTable): void {
    setTimeout(() => {
      if (this.#known.get(table.scope)?.table !== table) return;
      for (const link of table.all()) if (isOurs(table.scope, link)) return;
      this.#known.delete(table.scope);
      // Rejects only where the Worker has ended, and its descriptors with it.
      this.#kernel.forget(table.scope).catch(() => undefined);
    }, idleMs).unref();
  }

  #observe(table: LinkTable, link: LinkInfo): Observed<"link"> | undefined {
    const value = this.value(table, link);
    return value && { kind: "link", scope: table.scope, key: link.name, value };
  }

  #remember(table: LinkTable, { index }: LinkInfo, row: Observed<"link"> | undefined): Told | undefined {
    const told = this.#known.get(table.scope)?.told;
    if (row) told?.set(index, { key: row.key, text: JSON.stringify(row.value) });
    else told?.delete(index);
    return told?.get(index);
  }

  #absent(scope: Scope, key: string): void {
    this.#tell({ type: "absent", kind: "link", scope, key });
  }

  #relist(scope: Scope, kinds: readonly (MessageKind | "link")[], why: string): void {
    this.#tell({ type: "relist", scope, kinds, why });
  }

  #tell(notice: Notice | undefined): void {
    if (notice) this.#notices.next(notice);
  }
}
