import type { Inputs } from "../desired/inputs.ts";
import { hash32 } from "../desired/names.ts";
import { isPartOf } from "../desired/peer.ts";
import { type Cidr, type Ip, sizeOf } from "../model/address.ts";
import { isConfirmed } from "../model/block.ts";
import type { Network } from "../model/network.ts";
import type { Client } from "../store/client.ts";
import { acquireBlock } from "./acquire.ts";
import { confirm } from "./blocks.ts";
import { isInUse } from "./choice.ts";
import { allClaims, claimsWithin } from "./claim-store.ts";
import { type Candidate, createPool, type KnownClaim, type Pool } from "./pool.ts";

export interface StockOptions {
  client: Client;
  net: string;
  inputs(): Inputs;
  /** The claims within this host's blocks were read. */
  loaded(claims: Iterable<KnownClaim>): void;
}

/** Where one host's addresses of one network come from: its own blocks, then new blocks, then single addresses of others'. */
export interface Stock {
  /** `full`: the network has no address left. undefined: none could be had just now. @throws StoreError */
  next(): Promise<Candidate | "full" | undefined>;
  giveBack(candidate: Candidate): void;
  note(ip: Ip, known: KnownClaim | undefined): void;
  known(ip: Ip): KnownClaim | undefined;
  /** Reads the claims of this host's blocks, unless that was done and nothing speaks against what was read. */
  load(): Promise<void>;
  /** Nobody knows what became of a write: read again before the next is given. */
  doubt(): void;
  /** The network's blocks changed; where this host's own did, its claims are read again. */
  compareBlocks(): void;
}

/** Milliseconds that a list of claims is believed when it has nothing left to give: others release within our blocks, too. */
const believedMs = 1_000;
/** One fill each for: reading again, a block, borrowing; and the losers of races against this host's own other requests. */
const mostFills = 6;

export function createStock({ client, net, inputs, loaded }: StockOptions): Stock {
  let own: { pool: Pool; network: Network; prefixes: Set<Cidr>; readAt: number } | undefined;
  let borrowed: { pool: Pool; readAt: number } | undefined;
  /** Blocks taken that the world may not tell of yet. */
  const taken = new Set<Cidr>();
  let doubted = false;
  let filling: Promise<"more" | "full" | "later"> | undefined;
  let loading: Promise<void> | undefined;

  const keyspace = () => inputs().world.keyspaces.get(net);
  const network = () => inputs().world.networks.get(net)?.value;
  const inUse = (ip: Ip) => isInUse(keyspace(), ip);

  function heldBlocks(): Cidr[] {
    const { self } = inputs();
    const known = keyspace();
    const held = [...(known?.blocksByHost.get(self.host) ?? [])].filter((prefix) => {
      const block = known?.blocks.get(prefix);
      return block && isConfirmed(block.value) && isPartOf(network()?.cidr ?? prefix, prefix);
    });
    for (const prefix of held) taken.delete(prefix);
    return [...held, ...taken];
  }

  async function read(): Promise<void> {
    const now = network();
    if (now === undefined) return;
    doubted = false;
    const prefixes = heldBlocks();
    const claims = await claimsWithin(client, net, prefixes);
    const pool = createPool({ network: now, prefixes, claims, inUse });
    own = { pool, network: now, prefixes: new Set(prefixes), readAt: performance.now() };
    borrowed = undefined;
    loaded(claims);
  }

  async function load(): Promise<void> {
    if (own !== undefined && !doubted && own.network === network()) return;
    loading ??= read().finally(() => {
      loading = undefined;
    });
    await loading;
  }

  async function fill(): Promise<"more" | "full" | "later"> {
    const now = network();
    if (own === undefined || now === undefined) return "later";
    if (performance.now() - own.readAt > believedMs) {
      await read();
      return "more";
    }
    const block = await acquireBlock(client, net, now, inputs);
    if (block === undefined) return "later";
    if (block === "full") return borrow(now);
    if (!(await confirm(client, block))) return "later";
    taken.add(block.prefix);
    // By now what was read before may have been read again, without this block.
    const claims = await claimsWithin(client, net, [block.prefix]);
    if (!own.prefixes.has(block.prefix)) own.pool.add(block.prefix, claims);
    own.prefixes.add(block.prefix);
    return "more";
  }

  async function borrow(now: Network): Promise<"more" | "full"> {
    if (borrowed !== undefined && performance.now() - borrowed.readAt < believedMs) return "full";
    const claims: KnownClaim[] = [];
    for await (const claim of allClaims(client, net)) claims.push(claim);
    const seed = hash32(inputs().self.host) % sizeOf(now.cidr);
    const pool = createPool({ network: now, prefixes: [now.cidr], claims, inUse, seed });
    borrowed = { pool, readAt: performance.now() };
    return "more";
  }

  return {
    load,
    doubt() {
      doubted = true;
    },
    compareBlocks() {
      const prefixes = heldBlocks();
      if (own && (prefixes.length !== own.prefixes.size || prefixes.some((prefix) => !own?.prefixes.has(prefix))))
        doubted = true;
    },
    async next() {
      for (let fills = 0; fills < mostFills; fills++) {
        await load();
        const candidate = own?.pool.take(Date.now()) ?? borrowed?.pool.take(Date.now());
        if (candidate) return candidate;
        filling ??= fill().finally(() => {
          filling = undefined;
        });
        const outcome = await filling;
        if (outcome === "full") return "full";
        if (outcome === "later") return undefined;
      }
      return undefined;
    },
    // Either pool may have given it, and both may know it.
    giveBack(candidate) {
      own?.pool.giveBack(candidate);
      borrowed?.pool.giveBack(candidate);
    },
    note(ip, known) {
      own?.pool.note(ip, known);
      borrowed?.pool.note(ip, known);
    },
    known: (ip) => own?.pool.known(ip) ?? borrowed?.pool.known(ip),
  };
}
