/** A set of addresses that can be taken from at random: adding, removing and picking cost the same however many there are. */
export class Pool {
  readonly #list: number[] = [];
  readonly #places = new Map<number, number>();

  get size(): number {
    return this.#list.length;
  }

  all(): readonly number[] {
    return this.#list;
  }

  has(address: number): boolean {
    return this.#places.has(address);
  }

  add(address: number): void {
    if (this.#places.has(address)) return;
    this.#places.set(address, this.#list.length);
    this.#list.push(address);
  }

  delete(address: number): void {
    const place = this.#places.get(address);
    if (place === undefined) return;
    this.#places.delete(address);
    const last = this.#list.pop() as number;
    if (last === address) return;
    this.#list[place] = last;
    this.#places.set(last, place);
  }
}

/**
 * So many of the addresses, or all, in an order that chance makes: a client takes the first.
 *
 * @param random as Math.random
 */
export function shuffled(addresses: readonly number[], most: number, random: () => number): readonly number[] {
  if (addresses.length < 2) return addresses;
  const picked = addresses.slice();
  const count = Math.min(most, picked.length);
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(random() * (picked.length - at));
    [picked[at], picked[other]] = [picked[other] as number, picked[at] as number];
  }
  picked.length = count;
  return picked;
}
