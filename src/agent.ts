import { filter, Subject } from "rxjs";
import type { Config } from "./config.ts";
import { createDeclared } from "./desired/declared.ts";
import type { Self, Underlay } from "./desired/inputs.ts";
import { mark, type Scope } from "./desired/rows.ts";
import { createNames } from "./dns/names.ts";
import { createFlow } from "./flow.ts";
import { createAddresses } from "./ipam/addresses.ts";
import { check } from "./ipam/check.ts";
import { createCollection } from "./ipam/collection.ts";
import { createMembership, decide, leaveNetwork } from "./ipam/membership.ts";
import { removeHost } from "./ipam/remove-host.ts";
import { usageOf } from "./ipam/usage.ts";
import { openIpsec } from "./ipsec.ts";
import { openDrivers } from "./kernel/drivers.ts";
import { openKernel } from "./kernel/open.ts";
import { watchUnderlay } from "./kernel/underlay.ts";
import { keyRotation } from "./key-rotation.ts";
import { keyOf } from "./model/keys.ts";
import { networkStates } from "./network-states.ts";
import { aliveHosts } from "./observe/alive.ts";
import { createConvergence } from "./observe/convergence.ts";
import type { AgentEvent } from "./observe/event.ts";
import { Fault } from "./observe/fault.ts";
import { createPublisher } from "./observe/publisher.ts";
import { createTunnelCounts } from "./observe/tunnel-counts.ts";
import type { AgentView } from "./observe/view.ts";
import { waitForNetwork } from "./observe/wait.ts";
import { createEngine } from "./reconcile/start.ts";
import { protectedRanges } from "./runtime/protected.ts";
import { createRegistration, readInstance } from "./runtime/registration.ts";
import { campaign } from "./store/leadership.ts";
import { openEtcd } from "./store/open.ts";
import { stalenessOf, watchWorld } from "./store/world-watch.ts";
import { version } from "./version.ts";

export interface RunningAgent {
  view: AgentView;
  /** Ends the agent; every row stays, and so does the data plane. */
  stop(): Promise<void>;
}

/** How long who leaves waits for peers to answer that SAs end. */
const leaveMs = 10_000;

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
  const ipsec = await openIpsec(config, kernel);
  opening.defer(() => ipsec.stop());
  const underlay = await watchUnderlay(kernel, config.underlay);
  let started = false;
  let ready = false;

  const declared = createDeclared(selfAt(underlay.now()));
  const { world } = declared;
  const engine = createEngine({ drivers: openDrivers(kernel, { tunnel: ipsec.tunnels.driver }), tell });
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
  const counts = createTunnelCounts({ host, world, standing: () => ipsec.tunnels.standing() });
  const states = networkStates({
    ...{ host, declared, engine, watch, names, addresses, counts },
    later: () => ({ flow, convergence }),
  });
  const convergence = createConvergence({
    observed: () => new Map([...world.networks.keys()].map((net) => [net, states.observed(net)])),
    settled: () => engine.settled(),
    troubled: (net) => engine.braked() !== undefined || isUnderWay(net) || states.failures(net).length > 0,
    changed: (nets) => publisher.touch(nets),
  });
  const flow = createFlow({
    declared,
    engine,
    watch,
    tell,
    folded: names.take,
    changed(nets, hosts) {
      if (hosts.has(host)) announce();
      membership.review(nets);
      addresses.review(nets);
      convergence.review();
    },
    async complete() {
      names.start();
      await engine.start(await scopesOf());
      started = true;
      rotation()?.resume();
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
    state: config.state,
    world,
    events$,
    underlay: () => underlay.now(),
    etcd: () => ({ ...etcd.description, ...stalenessOf(watch.areas.values()) }),
    ready: () => ready,
    networks: () => [...world.networks.keys()].sort().map(states.of),
    rejected: () => [...declared.rejected.values()],
    braked: () => engine.braked(),
    plan: () => engine.plan(),
    alive: () => aliveHosts(client),
    release: () => engine.release(),
    charon: () => (states.encrypted().length > 0 ? ipsec.tunnels.state() : { type: "unneeded" }),
    tunnels: () => ipsec.tunnels.list(),
    rekey: (peer, child) => ipsec.tunnels.rekey(peer, child),
    async rotateKeys() {
      const own = rotation();
      if (own) return own.rotate();
      throw new Fault(409, "NO_KEYS", `Cannot rotate keys of ${host}: expected keys of its own, got none`);
    },
    async usage(net) {
      const nets = net === undefined ? [...world.networks.keys()].sort() : [net];
      return (await Promise.all(nets.map((name) => usageOf(client, world, name)))).flatMap((usage) => usage ?? []);
    },
    check: (net, repair, signal) => check({ client, world, ...(net !== undefined && { net }), repair, signal }),
    removeHost: (name) => removeHost(client, world, name),
    leave,
    wait: (net, revision, signal) => waitForNetwork({ client, view }, net, revision, signal),
  };
  const rotation = keyRotation({
    client,
    host,
    ipsec,
    nets: states.encrypted,
    wait: view.wait,
    announce,
    async adopt() {
      flow.become(selfAt(underlay.now()));
      await engine.settled();
    },
    tell: (message) => tell({ type: "warned", code: "KEYS", message }),
  });
  const publisher = createPublisher({ view, client, tell, mayWrite: registration.isClaimed });

  const subscriptions = [
    events$.subscribe(counts.take),
    events$
      .pipe(filter(({ type }) => type === "converged" || type === "skipped"))
      .subscribe(() => convergence.review()),
    watch.batches$.subscribe((batch) => {
      flow.take(batch);
      addresses.take(batch.events);
    }),
    underlay.changes$.subscribe(move),
    ipsec.changes$.subscribe(equip),
    ipsec.tunnels.events$
      .pipe(filter(({ type }) => states.encrypted().length > 0 || !type.startsWith("charon-")))
      .subscribe(tell),
  ];
  announce();
  const open = opening.move();

  return { view, stop };

  function selfAt(place: Underlay): Self {
    return {
      host,
      underlay: place,
      uplinks: config.uplinks,
      ipsec: ipsec.now(),
      protected: protectedRanges(place, config.etcd.endpoints),
    };
  }

  /** The underlay moved: devices, routes and guards follow, and the peers are told. */
  function move(place: Underlay): void {
    const was = declared.self().underlay;
    tell({ type: "underlay", dev: place.dev, address: place.address, mtu: place.mtu, was });
    announce();
    flow.become(selfAt(place));
  }

  /** What IPsec lacks is less now: an own key may have come, which peers are told of. */
  function equip(): void {
    announce();
    flow.become(selfAt(underlay.now()));
    if (started) rotation()?.resume();
  }

  function announce(): void {
    registration.announce({ address: config.external ?? underlay.now().address, ...ipsec.announced() });
  }

  async function scopesOf(): Promise<Scope[]> {
    const names = await kernel.listNamespaces();
    const ours = names.filter((name) => name.startsWith(mark.namespace));
    return ["host", ...ours.map((name): Scope => `net:${name.slice(mark.namespace.length)}`)];
  }

  /** Rows will follow from what this host itself is about to write: its membership, an address. */
  function isUnderWay(net: string): boolean {
    return decide(net, { world, self: declared.self() }) === "join" || addresses.pending(net);
  }

  /** The host leaves every network: rows first, so that nothing is left that no record explains. */
  async function leave(): Promise<void> {
    // First of all, and without touching anything: rows taken while etcd cannot be told would leave peers sending to
    // a host that has nothing any more, and an agent that does nothing about it.
    await client.get(keyOf({ type: "host", host }));
    ready = false;
    fallSilent();
    // A container leaves DNS before its rows go.
    await names.stop();
    await engine.clear();
    // Nobody else would end them. A peer that does not answer is not waited for: charon gives it up by itself.
    await ipsec.tunnels.emptied(leaveMs);
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

  /** Nothing is followed any more, and nothing written of this host's own accord. */
  function fallSilent(): void {
    for (const subscription of subscriptions) subscription.unsubscribe();
    for (const each of [membership, addresses, registration, rotation()]) each?.stop();
  }

  async function stop(): Promise<void> {
    fallSilent();
    collection.stop();
    await leadership.stop();
    publisher.stop();
    await engine.stop();
    await names.stop();
    await open.disposeAsync();
    events$.complete();
  }
}
