import { closeSync } from "node:fs";
import type { Scope } from "../desired/rows.ts";
import type { Kernel, KernelEvent } from "../kernel/kernel.ts";
import type { Ip } from "../model/address.ts";
import { domainOf } from "../model/network.ts";
import type { Change, Fact, Keyspace, World } from "../model/world.ts";
import type { Named, ZoneNews, ZoneSettings } from "./facts.ts";
import { indexOf, ownerOf, settingsOf } from "./owners.ts";
import { createPaced } from "./paced.ts";
import { type NameThread, openThread } from "./thread.ts";

export interface NamesOptions {
  world: World;
  host: string;
  kernel: Pick<Kernel, "events$" | "openSocket">;
  /** The host's own resolv.conf. */
  resolvConf: string;
  /** Names are not answered, and why; tried again. */
  warn(message: string): void;
}

/** Keeps the server of names as fresh as the world: what changed is told to it before it is wished of the kernel. */
export interface Names {
  /** Changes that the world has taken in: answers know from here on what went or is another, and soon what came. */
  take(changes: readonly Change[]): void;
  /** The world is complete: names of every network of this host are answered. */
  start(): void;
  /** Whether names of the network are answered. */
  isServing(net: string): boolean;
  stop(): Promise<void>;
}

/** Where clients find names in every network: an address of br0 everywhere. */
export const serverAddress = "169.254.169.250" as Ip;
export const serverPort = 53;
/** Owners in one post: a hundred microseconds or so of the thread's time, in which no question is heard. */
const batchSize = 32;
/** Milliseconds until what could not be opened is tried again, should nothing tell of the moment. */
const againMs = 1000;

/** A network whose names this host answers. */
interface Served {
  settings: ZoneSettings;
  /** Goes up whenever sockets that are being opened are wanted no more. */
  turn: number;
  state: "deaf" | "opening" | "listening";
  /** Ends when sockets are open, or what was opened in vain is closed: until then the address may be in use. */
  attempt?: Promise<void>;
  /** What was last said to be in the way. */
  complaint?: string;
}

export function createNames({ world, host, kernel, resolvConf, warn }: NamesOptions): Names {
  const served = new Map<string, Served>();
  let thread: NameThread | undefined;
  let isStarted = false;
  let isStopped = false;
  const paced = createPaced((news) => thread?.tell(news));
  const timers = new Set<NodeJS.Timeout>();
  const subscription = kernel.events$.subscribe(follow);

  function take(changes: readonly Change[]): void {
    if (!isStarted || changes.length === 0) return;
    const news: ZoneNews[] = [];
    const touched = new Map<string, Set<Ip>>();
    // Whether an answer that was right may be wrong now.
    const isPressing = changes.some(({ before }) => before !== undefined);
    const nets = new Set<string>();
    let isDomainChanged = false;
    for (const fact of changes.flatMap(({ before, after }) => [before, after])) {
      if (fact === undefined || !("net" in fact.path)) continue;
      const { net } = fact.path;
      if (fact.path.type === "network") isDomainChanged = true;
      if (fact.path.type === "network" || (fact.path.type === "member" && fact.path.host === host)) nets.add(net);
      if (fact.path.type === "service" && served.has(net)) news.push(serviceNews(net, fact.path));
      for (const ip of addressesOf(fact)) touched.set(net, (touched.get(net) ?? new Set()).add(ip));
    }
    if (isDomainChanged) news.push(domainNews());
    for (const [net, ips] of touched) if (served.has(net)) news.push(...ownerNews(net, ips));
    if (isPressing) paced.now(news);
    else paced.inTurn(news);
    for (const net of nets) review(net);
  }

  /** Begins or ends to answer for a network, or does so by other settings. */
  function review(net: string): void {
    const network = world.networks.get(net)?.value;
    const keyspace = world.keyspaces.get(net);
    const before = served.get(net);
    if (network === undefined || !keyspace?.members.has(host)) {
      if (before) drop(net, before);
      return;
    }
    const settings = settingsOf(net, network);
    if (before && before.settings.cidr !== settings.cidr) drop(net, before);
    else if (before) {
      if (JSON.stringify(before.settings) === JSON.stringify(settings)) return;
      before.settings = settings;
      paced.now([{ type: "zone", net, settings }]);
      return;
    }
    const now: Served = { settings, turn: 0, state: "deaf" };
    served.set(net, now);
    tellAll(net, now, keyspace);
    listen(net, now);
  }

  function tellAll(net: string, { settings }: Served, keyspace: Keyspace): void {
    thread ??= openThread(resolvConf, revive);
    const services = [...keyspace.services.keys()].map((name) => {
      const [stack, service] = name.split("/") as [string, string];
      return serviceNews(net, { stack, service });
    });
    paced.now([domainNews(), { type: "zone", net, settings }, ...services]);
    paced.inTurn(ownerNews(net, keyspace.byIp.keys()));
  }

  function* ownerNews(net: string, ips: Iterable<Ip>): Generator<ZoneNews> {
    const network = world.networks.get(net)?.value;
    const keyspace = world.keyspaces.get(net);
    let owners: [number, Named | null][] = [];
    for (const ip of ips) {
      owners.push([indexOf(ip), network && keyspace ? ownerOf(network, keyspace, ip) : null]);
      if (owners.length < batchSize) continue;
      yield { type: "names", net, owners };
      owners = [];
    }
    if (owners.length > 0) yield { type: "names", net, owners };
  }

  function serviceNews(net: string, { stack, service }: { stack: string; service: string }): ZoneNews {
    const record = world.keyspaces.get(net)?.services.get(`${stack}/${service}`)?.value ?? null;
    return { type: "service", net, stack, service, record };
  }

  function domainNews(): ZoneNews {
    return { type: "domains", domains: [...world.networks].map(([net, { value }]) => domainOf(net, value)) };
  }

  function drop(net: string, gone: Served): void {
    gone.turn++;
    served.delete(net);
    // Before the namespace is: a socket inside keeps it alive.
    paced.now([{ type: "drop", net }]);
  }

  /** Opens the sockets in the network's namespace, now or when it is there. */
  function listen(net: string, one: Served): void {
    if (one.state !== "deaf" || isStopped) return;
    one.state = "opening";
    const turn = one.turn;
    one.attempt = (one.attempt ?? Promise.resolve()).then(() => open(net, one, turn));
  }

  async function open(net: string, one: Served, turn: number): Promise<void> {
    if (one.turn !== turn || isStopped) return;
    const scope: Scope = `net:${net}`;
    const sockets = await Promise.all(
      (["udp", "tcp"] as const).map((transport) => kernel.openSocket(scope, transport, serverAddress, serverPort)),
    );
    const fds = sockets.flatMap((answer) => (answer.ok ? [answer.value] : []));
    const [udp, tcp] = fds;
    if (one.turn === turn && !isStopped && udp !== undefined && tcp !== undefined) {
      one.state = "listening";
      delete one.complaint;
      paced.now([{ type: "listen", net, udp, tcp }]);
      return;
    }
    for (const fd of fds) closeSync(fd);
    if (one.turn !== turn || isStopped) return;
    one.state = "deaf";
    const failure = sockets.find((answer) => !answer.ok)?.failure;
    if (failure && failure.code !== "NETNS_MISSING" && failure.message !== one.complaint) {
      one.complaint = failure.message;
      warn(`Cannot answer for names of ${net}: ${failure.message}`);
    }
    later(() => {
      if (served.get(net) === one) listen(net, one);
    });
  }

  function follow(event: KernelEvent): void {
    if (event.type !== "appeared" && event.type !== "vanished") return;
    const net = event.scope.startsWith("net:") ? event.scope.slice("net:".length) : "";
    const one = served.get(net);
    if (one === undefined) return;
    one.turn++;
    one.state = "deaf";
    paced.now([{ type: "deafen", net }]);
    if (event.type === "appeared") listen(net, one);
  }

  /** The thread should never end; if it does, another takes its place. */
  function revive(error: Error): void {
    if (isStopped) return;
    warn(error.message);
    thread = undefined;
    paced.stop();
    for (const one of served.values()) {
      one.turn++;
      one.state = "deaf";
    }
    later(() => {
      const nets = [...served.keys()];
      served.clear();
      for (const net of nets) review(net);
    });
  }

  function later(work: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (!isStopped) work();
    }, againMs);
    timers.add(timer.unref());
  }

  return {
    take,
    start() {
      isStarted = true;
      for (const net of world.networks.keys()) review(net);
    },
    isServing: (net) => served.get(net)?.state === "listening",
    async stop() {
      if (isStopped) return;
      isStopped = true;
      subscription.unsubscribe();
      paced.stop();
      for (const timer of timers) clearTimeout(timer);
      await thread?.close();
    },
  };
}

/** Addresses whose owner may be another one now. */
function addressesOf({ path, entry }: Fact): readonly Ip[] {
  if (path.type === "member") return [(entry.value as { address: Ip }).address];
  if (path.type !== "container") return [];
  const { ip } = entry.value as { ip?: Ip };
  return ip === undefined ? [] : [ip];
}
