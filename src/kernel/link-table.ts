import type { Scope } from "../desired/rows.ts";
import type { LinkInfo } from "./netlink/link-messages.ts";

/** One scope's links as last heard of, by index and by name. */
export class LinkTable {
  readonly scope: Scope;
  readonly #byIndex = new Map<number, LinkInfo>();
  readonly #byName = new Map<string, LinkInfo>();
  /** Devices that rows of ours name: with these the kernel drops routes and neighbours, some without a word. */
  readonly #carriers = new Set<string>();

  constructor(scope: Scope, links: readonly LinkInfo[]) {
    this.scope = scope;
    for (const link of links) this.set(link);
  }

  all(): Iterable<LinkInfo> {
    return this.#byIndex.values();
  }

  at(index: number): LinkInfo | undefined {
    return this.#byIndex.get(index);
  }

  named(name: string): LinkInfo | undefined {
    return this.#byName.get(name);
  }

  /** The index of a device that a row names. */
  indexFor(name: string): number | undefined {
    this.#carriers.add(name);
    return this.#byName.get(name)?.index;
  }

  /** The name of a device that a row was found on. */
  nameFor(index: number): string | undefined {
    const name = this.#byIndex.get(index)?.name;
    if (name !== undefined) this.#carriers.add(name);
    return name;
  }

  carries(name: string): boolean {
    return this.#carriers.has(name);
  }

  set(link: LinkInfo): void {
    const old = this.#byIndex.get(link.index);
    if (old) this.#forgetName(old);
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
  }

  delete(index: number): void {
    const old = this.#byIndex.get(index);
    if (old) this.#forgetName(old);
    this.#byIndex.delete(index);
  }

  /** Everything anew, as a dump has it; what rows name stays known. */
  replace(links: readonly LinkInfo[]): void {
    this.#byIndex.clear();
    this.#byName.clear();
    for (const link of links) this.set(link);
  }

  #forgetName({ name, index }: LinkInfo): void {
    if (this.#byName.get(name)?.index === index) this.#byName.delete(name);
  }
}
