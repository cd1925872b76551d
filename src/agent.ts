import { filter, Subject } from "rxjs";
import type { Config } from "./config.ts";
import { createDeclared, skippedOf } from "./desired/declared.ts";
import type { Self, Skip, Underlay } from "./desired/inputs.ts";
import { mark, type Scope } from "./desired/rows.ts";
import { createNames } from "./dns/names.ts";
import { createFlow, ofNetwork } from "./flow.ts";
import { createAddresses } from "./ipam/addresses.ts";
import { check } from "./ipam/check.ts";
import { createCollection } from "./ipam/collection.ts";
import { createMembership, decide, leaveNetwork } from "./ipam/membership.ts";
import { removeHost } from "./ipam/remove-host.ts";
import { usageOf } from "./ipam/usage.ts";
import { openDrivers } from "./kernel/drivers.ts";
import { openKernel } from "./kernel/open.ts";
import { watchUnderlay } from "./kernel/underlay.ts";
import { keyOf } from "./model/keys.ts";
import { domainOf } from "./model/network.ts";
import { earlierOf, type Revision } from "./model/revision.ts";
import { aliveHosts } from "./observe/alive.ts";
import { createConvergence } from "./observe/convergence.ts";
import type { AgentEvent } from "./observe/event.ts";
import { createPublisher } from "./observe/publisher.ts";
import type { AgentView, NetworkState } from "./observe/view.ts";
import { waitForNetwork } from "./observe/wait.ts";
import { createEngine } from "./reconcile/start.ts";
import { protectedRanges } from "./runtime/protected.ts";
import { createRegistration, readInstance } from "./runtime/registration.ts";
import { campaign } from "./store/leadership.ts";
import { openEtcd } from "./store/open.ts";
import { watchWorld } from "./store/world-watch.ts";
import { version } from "./version.ts";

export interface RunningAgent {
  view: AgentView;
  /** Ends the agent; every row stays, and so does the data plane. */
  stop(): Promise<void>;
}

/**
 * Puts the parts together: the one place that sees all of them.
 *
 *     etcd ── store ──> model ──> desired ──> reconcile ──> kernel
 *                └───────── flow ─────────┘        └──> events ──> observe
 */
export async function startAgent(config: Config): Promise<RunningAgent> {
  const { host } = config;
  const startedAt = Date.now();
  const events$ = new Subject<AgentEvent>();
  const tell = (event: AgentEvent): void => events$.next(event);

  // What is open when the start fails is closed, or the process would live on for nothing.
  await using opening = new AsyncDisposableStack();
  const etcd = await openEtcd(config, (event) => {
    if (event.type === "down")
      tell({ type: "warned", code: "ETCD_DOWN", message: `The agent's own etcd ended: ${event.why}` });
  });
  opening.defer(() => etcd.close());
  const { client } = etcd;
  const watch = watchWorld(client);
  const kernel = await openKernel({ namespaceDirectories: config.netnsDirectories });
  opening.defer(() => kernel.close());
  const underlay = await watchUnderlay(kernel, config.underlay);
  let started = false;
  let ready = false;

  const declared = createDeclared(selfAt(underlay.now()));
  const { world } = declared;
  const engine = createEngine({ drivers: openDrivers(kernel), tell });
  const registration = createRegistration({
    client,
    host,
    instance: readInstance(config.state),
    tell,
    claimed() {
      // What is not known of the world yet is not to be taken for absent.
      if (started) {
        membership.review(world.networks.keys());
        addresses.review(world.networks.keys());
      }
      publisher.touch();
    },
  });
  const membership = createMembership({
    client,
    inputs: () => ({ world, self: declared.self() }),
    tell,
    lingerMs: config.linger * 1000,
    mayWrite: registration.isClaimed,
  });
  const addresses = createAddresses({
    client,
    inputs: () => ({ world, self: declared.self() }),
    tell,
    mayWrite: registration.isClaimed,
  });
  const leadership = campaign({ client, key: keyOf({ type: "leader", of: "ipam" }), value: host, ttlSeconds: 30 });
  const collection = createCollection({
    client,
    world,
    leadership,
    alive: () => aliveHosts(client),
    tell,
    everyMs: config.sweep * 1000,
    graceMs: config.sweep * 2000,
    ...(config.forgetHosts !== undefined && { forgetMs: config.forgetHosts * 1000 }),
  });
  const names = createNames({
    world,
    host,
    kernel,
    resolvConf: config.resolvConf,
    warn: (message) => tell({ type: "warned", code: "NAMES_DOWN", message }),
  });
  const convergence = createConvergence({
    observed: () => new Map([...world.networks.keys()].map((net) => [net, observedOf(net)])),
    settled: () => engine.settled(),
    troubled: (net) => engine.braked() !== undefined || isUnderWay(net) || failuresOf(net).length > 0,
    changed: (nets) => publisher.touch(nets),
  });
  const flow = createFlow({
    declared,
    engine,
    watch,
    tell,
    folded: names.take,
    changed(nets, hosts) {
      if (hosts.has(host)) registration.announce(underlay.now());
      membership.review(nets);
      addresses.review(nets);
      convergence.review();
    },
    async complete() {
      names.start();
      await engine.start(await scopesOf());
      started = true;
      membership.review(world.networks.keys());
      addresses.start();
      await engine.settled();
      ready = true;
      convergence.review();
    },
  });

  const view: AgentView = {
    host,
    version,
    startedAt,
    world,
    events$,
    underlay: () => underlay.now(),
    etcd: () => ({ ...etcd.description, ...staleness() }),
    ready: () => ready,
    networks: () => [...world.networks.keys()].sort().map(networkState),
    rejected: () => [...declared.rejected.values()],
    braked: () => engine.braked(),
    plan: () => engine.plan(),
    alive: () => aliveHosts(client),
    release: () => engine.release(),
    async usage(net) {
      const nets = net === undefined ? [...world.networks.keys()].sort() : [net];
      return (await Promise.all(nets.map((name) => usageOf(client, world, name)))).flatMap((usage) => usage ?? []);
    },
    check: (net, repair, signal) => check({ client, world, ...(net !== undefined && { net }), repair, signal }),
    removeHost: (name) => removeHost(client, world, name),
    leave,
    wait: (net, revision, signal) => waitForNetwork({ client, view }, net, revision, signal),
  };
  const publisher = createPublisher({ view, client, tell, mayWrite: registration.isClaimed });

  const subscriptions = [
    events$
      .pipe(filter(({ type }) => type === "converged" || type === "skipped"))
      .subscribe(() => convergence.review()),
    watch.batches$.subscribe((batch) => {
      flow.take(batch);
      addresses.take(batch.events);
    }),
    underlay.changes$.subscribe(move),
  ];
  registration.announce(underlay.now());
  const open = opening.move();

  return { view, stop };

  function selfAt(place: Underlay): Self {
    return { host, underlay: place, uplinks: config.uplinks, protected: protectedRanges(place, config.etcd.endpoints) };
  }

  /** The underlay moved: devices, routes and guards follow, and the peers are told. */
  function move(place: Underlay): void {
    const was = declared.self().underlay;
    tell({ type: "underlay", dev: place.dev, address: place.address, mtu: place.mtu, was });
    registration.announce(place);
    flow.become(selfAt(place));
  }

  async function scopesOf(): Promise<Scope[]> {
    const names = await kernel.listNamespaces();
    const ours = names.filter((name) => name.startsWith(mark.namespace));
    return ["host", ...ours.map((name): Scope => `net:${name.slice(mark.namespace.length)}`)];
  }

  function networkState(net: string): NetworkState {
    const network = world.networks.get(net);
    const member = world.keyspaces.get(net)?.members.get(host)?.value;
    return {
      net,
      member: member && { address: member.address, mac: member.mac },
      observed: observedOf(net),
      converged: convergence.of(net) ?? ("0" as Revision),
      rows: flow.rowsOf(net),
      ...(member && network && { names: { domain: domainOf(net, network.value), serving: names.isServing(net) } }),
      failed: failuresOf(net),
      skipped: withTroubles(skippedOf(net, declared.skipped), addresses.troubles(net)),
    };
  }

  function failuresOf(net: string) {
    return engine.failures().filter(({ units }) => units.some(ofNetwork(net)));
  }

  /** Rows will follow from what this host itself is about to write: its membership, an address. */
  function isUnderWay(net: string): boolean {
    return decide(net, { world, self: declared.self() }) === "join" || addresses.pending(net);
  }

  /** A network is seen as far as the least of what bears on it. */
  function observedOf(net: string): Revision {
    return (["networks/", "hosts/", `keyspaces/${net}/`] as const)
      .map((area) => watch.areas.get(area)?.observed ?? ("0" as Revision))
      .reduce(earlierOf);
  }

  function staleness(): { staleSince?: number; why?: string } {
    const stale = [...watch.areas.values()].filter((state) => state.staleSince !== undefined);
    const [first] = stale.sort((a, b) => (a.staleSince ?? 0) - (b.staleSince ?? 0));
    return first?.staleSince === undefined ? {} : { staleSince: first.staleSince, why: first.why ?? "" };
  }

  /** The host leaves every network: rows first, so that nothing is left that no record explains. */
  async function leave(): Promise<void> {
    // First of all, and without touching anything: rows taken while etcd cannot be told would leave peers sending to
    // a host that has nothing any more, and an agent that does nothing about it.
    await client.get(keyOf({ type: "host", host }));
    ready = false;
    for (const subscription of subscriptions) subscription.unsubscribe();
    membership.stop();
    addresses.stop();
    registration.stop();
    // A container leaves DNS before its rows go.
    await names.stop();
    await engine.clear();
    if (registration.isClaimed()) await withdraw();
    await stop();
  }

  /** Takes this host's records out of etcd. */
  async function withdraw(): Promise<void> {
    await publisher.leave();
    const nets = [...(world.memberships.get(host) ?? [])];
    for (const net of nets) await leaveNetwork(client, net, { world, self: declared.self() });
    for (const type of ["host", "alive"] as const) await client.remove(keyOf({ type, host }));
  }

  async function stop(): Promise<void> {
    for (const subscription of subscriptions) subscription.unsubscribe();
    membership.stop();
    addresses.stop();
    collection.stop();
    await leadership.stop();
    registration.stop();
    publisher.stop();
    await engine.stop();
    await names.stop();
    await open.disposeAsync();
    events$.complete();
  }
}

/** What is known better of a record takes the place of what derivation says. */
function withTroubles(skipped: readonly Skip[], troubles: readonly Skip[]): Skip[] {
  const known = new Map(troubles.map((trouble) => [trouble.key, trouble]));
  return skipped.map((skip) => known.get(skip.key) ?? skip);
}
