import { setTimeout as pause } from "node:timers/promises";
import { keyOf } from "../../src/model/keys.ts";
import type { Client } from "../../src/store/client.ts";
import { listWatch } from "../../src/store/list-watch.ts";
import { type Figure, msBetween, type Row, rounded, spread } from "./figure.ts";
import { converge, type Installation, install, namespacesOf, onStage, type Stage } from "./stage.ts";
import { net, strayAt, write } from "./world.ts";

const samples = 200;
const warmUp = 30;
const attached = 60;
const many = 4_000;

/** Containers without an address: from the put of the record until etcd holds its address, alone and thousands at once. */
export const addresses: Row = { name: "addresses", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: 10, containersEach: 100 });
  await converge(installation);
  const figures = [await latency(installation, stage.etcd.client("/echo/"))];
  figures.push(await attachment(stage, installation));
  figures.push(await rate(installation));
  return figures;
}

/** What was told of a key, as often as it was. */
interface Ear {
  /** Resolves when a key's value holds an address. */
  given(key: string): Promise<void>;
  count(): number;
  close(): void;
}

/** Listens to records; `onBare` is told at once of each that has no address. */
async function listen(client: Client, area: string, onBare: (key: string) => void = () => {}): Promise<Ear> {
  const waiting = new Map<string, () => void>();
  const given = new Set<string>();
  const synced = Promise.withResolvers<void>();
  const subscription = listWatch(client, area).subscribe((events) => {
    for (const event of events) {
      if (event.type === "synced") synced.resolve();
      if (event.type !== "put") continue;
      if (!event.value.includes('"ip"')) {
        onBare(event.key);
        continue;
      }
      given.add(event.key);
      waiting.get(event.key)?.();
    }
  });
  await synced.promise;
  return {
    given: (key) => new Promise((resolve) => (given.has(key) ? resolve() : waiting.set(key, resolve))),
    count: () => given.size,
    close: () => subscription.unsubscribe(),
  };
}

/**
 * In turn with the least that could do it: a process that hears of a record by its watch and puts the address into it by
 * one transaction, without choosing any.
 */
async function latency({ client, host }: Installation, bottom: Client): Promise<Figure> {
  const ear = await listen(client, areaOf(host.name));
  const echo = await listen(bottom, areaOf(host.name), (key) => {
    void bottom.commit([], [{ type: "put", key, value: '{"name":"x","ip":"10.0.0.1"}' }]);
  });
  const [ours, least]: [number[], number[]] = [[], []];
  for (let n = 0; n < warmUp + samples; n++) {
    const took = await once(client, ear, host.name, `a${n}`);
    const floor = await once(bottom, echo, host.name, `a${n}`);
    if (n < warmUp) continue;
    ours.push(took);
    least.push(floor);
  }
  ear.close();
  echo.close();
  const [figure, floor] = [spread(ours), spread(least)];
  return {
    what: "a record without address: put until etcd holds its address, p50",
    value: figure.p50,
    unit: "ms",
    floor: floor.p50,
    reach: "<= floor + 3 ms",
    holds: figure.p50 <= floor.p50 + 3,
    note: `p99 ${rounded(figure.p99)} ms, floor's p99 ${rounded(floor.p99)} ms; the floor is etcd's two round trips, ${figure.count} each, in turn`,
  };
}

async function once(client: Client, ear: Ear, host: string, id: string): Promise<number> {
  const key = keyOf({ type: "container", net, host, id });
  const begun = process.hrtime.bigint();
  await client.put(key, JSON.stringify({ name: id }));
  await ear.given(key);
  return msBetween(begun, process.hrtime.bigint());
}

/** From the put until the container's route is in the kernel, with the address left out and with it given, in turn. */
async function attachment({ witness }: Stage, { client, host }: Installation): Promise<Figure> {
  await witness.open("h1-blue", namespacesOf(host).inside);
  const [ours, least]: [number[], number[]] = [[], []];
  for (let n = 0; n < attached; n++) {
    for (const ip of [undefined, strayAt(70_000 + n)]) {
      const id = ip === undefined ? `bare${n}` : `given${n}`;
      await host.container(id);
      const heard = Promise.withResolvers<bigint>();
      const end = witness.follow(({ what, stamp }) => {
        if (what.startsWith("+ route ")) heard.resolve(stamp);
      });
      const begun = process.hrtime.bigint();
      const value = { name: id, netns: `/run/netns/${id}`, ...(ip && { ip }) };
      await client.put(keyOf({ type: "container", net, host: host.name, id }), JSON.stringify(value));
      (ip === undefined ? ours : least).push(msBetween(begun, await heard.promise));
      end();
      // The rows of the container's own namespace follow; they are not to be measured with the next.
      await pause(30);
    }
  }
  const [figure, floor] = [spread(ours), spread(least)];
  return {
    what: "a container without address: put until its route is in the kernel, p50",
    value: figure.p50,
    unit: "ms",
    floor: floor.p50,
    reach: "<= floor + 5 ms",
    holds: figure.p50 <= floor.p50 + 5,
    note: `p99 ${rounded(figure.p99)} ms; the floor is the same container with its address in the record, p99 ${rounded(floor.p99)} ms`,
  };
}

async function rate({ client, host }: Installation): Promise<Figure> {
  const ear = await listen(client, areaOf(host.name));
  const before = ear.count();
  const writes = Array.from({ length: many }, (_, n) => {
    const key = keyOf({ type: "container", net, host: host.name, id: `m${n}` });
    return { type: "put", key, value: JSON.stringify({ name: `m${n}` }) } as const;
  });
  const begun = performance.now();
  await write(client, writes);
  await Promise.all(writes.map(({ key }) => ear.given(key)));
  const seconds = (performance.now() - begun) / 1_000;
  ear.close();
  return {
    what: `${many} records without address on one host: addresses given each second`,
    value: many / seconds,
    unit: "1/s",
    reach: ">= 400 1/s",
    holds: many / seconds >= 400 && ear.count() - before === many,
    note: `${rounded(seconds)} s from the first put until etcd holds the last, blocks of 128 taken on the way`,
  };
}

function areaOf(host: string): string {
  return `keyspaces/${net}/containers/${host}/`;
}
