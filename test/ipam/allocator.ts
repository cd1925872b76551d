import { createDeclared } from "../../src/desired/declared.ts";
import { createFlow } from "../../src/flow.ts";
import { type Addresses, createAddresses } from "../../src/ipam/addresses.ts";
import { createMembership } from "../../src/ipam/membership.ts";
import type { World } from "../../src/model/world.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import type { Client } from "../../src/store/client.ts";
import { watchWorld } from "../../src/store/world-watch.ts";
import { self } from "../desired/fold.ts";

/** An agent without a kernel: it watches, joins and gives addresses as the real one does. */
export interface Allocator {
  host: string;
  world: World;
  addresses: Addresses;
  events: AgentEvent[];
  stop(): void;
}

export interface AllocatorOptions {
  /** What it writes and reads by; the watch has the other, unless this is absent. */
  hand?: Client;
  lingerMs?: number;
}

export async function startAllocator(
  client: Client,
  host: string,
  { hand = client, lingerMs = 60_000 }: AllocatorOptions = {},
): Promise<Allocator> {
  const declared = createDeclared({ ...self, host });
  const { world } = declared;
  const events: AgentEvent[] = [];
  const tell = (event: AgentEvent) => void events.push(event);
  const watch = watchWorld(client);
  const inputs = () => ({ world, self: declared.self() });
  const membership = createMembership({ client: hand, inputs, tell, lingerMs });
  const addresses = createAddresses({ client: hand, inputs, tell });
  const whole = Promise.withResolvers<void>();
  const flow = createFlow({
    declared,
    engine: { wish() {}, doubt() {}, partial() {} },
    watch,
    tell,
    folded() {},
    changed(nets) {
      membership.review(nets);
      addresses.review(nets);
    },
    complete() {
      membership.review(world.networks.keys());
      addresses.start();
      whole.resolve();
    },
  });
  const subscription = watch.batches$.subscribe((batch) => {
    flow.take(batch);
    addresses.take(batch.events);
  });
  await whole.promise;
  return {
    host,
    world,
    addresses,
    events,
    stop() {
      subscription.unsubscribe();
      membership.stop();
      addresses.stop();
    },
  };
}
