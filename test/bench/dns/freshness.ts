import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fromNumber, toNumber } from "../../../src/model/address.ts";
import { listWatch } from "../../../src/store/list-watch.ts";
import { type Figure, msBetween, type Row, rounded, spread } from "../figure.ts";
import { converge, type Installation, install, onStage, type Stage } from "../stage.ts";
import { containerWrite, net, peerAt, strayAt, transact } from "../world.ts";
import { answering, load, writeQuestions } from "./load.ts";
import { first, type Names, peers, type Server } from "./servers.ts";
import { type Exchange, watchExchanges } from "./wire.ts";

const samples = 200;
const warmUp = 30;
const rate = 1_000;
const stormRows = 10_000;
/** Writes in one transaction: what etcd takes by default, and the most that any of ours has. */
const stormSizes = [128, 1_000];
const rounds = 3;
const restSeconds = 2;
const [hosts, containersEach] = [10, 100];
const server = { address: "169.254.169.250" };
/** Another address of the same bridge. */
const gateway = "10.128.0.1";

/** How soon a name is answered, and how fast while the agent has its hands full. */
export const nameFreshness: Row = { name: "name-freshness", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: hosts, containersEach });
  await converge(installation);
  await answering(installation.host.in("own0"), server, `own0.${net}.skein.internal`);
  const figures = [await visible(installation)];
  for (const [n, size] of stormSizes.entries()) figures.push(await storm(stage, installation, size, n * rounds));
  return figures;
}

/** Put until a client is told, beside put until a bare watch of the same etcd is. */
async function visible({ host, client }: Installation): Promise<Figure> {
  const child = host.in("own0").spawn(process.execPath, [join(import.meta.dirname, "watcher.ts")]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const watched = new Map<string, bigint>();
  const watch = listWatch(client, `keyspaces/${net}/`).subscribe((events) => {
    for (const event of events) if (event.type === "put") watched.set(event.key, process.hrtime.bigint());
  });
  const ours: number[] = [];
  const floors: number[] = [];
  for (let n = 0; n < warmUp + samples; n++) {
    const [id, ip] = [`v${n}`, strayAt(n)];
    child.stdin.write(`${id}.${net}.skein.internal ${ip}\n`);
    await pause(12);
    const begun = process.hrtime.bigint();
    await transact(client, [containerWrite("p0", id, ip)]);
    const { value: line } = await lines.next();
    const key = `keyspaces/${net}/containers/p0/${id}`;
    while (!watched.has(key)) await pause(1);
    if (n < warmUp) continue;
    ours.push(msBetween(begun, BigInt(line as string)));
    floors.push(msBetween(begun, watched.get(key) as bigint));
  }
  watch.unsubscribe();
  child.stdin.end();
  const [own, floor] = [spread(ours), spread(floors)];
  return {
    what: "a name: put until a client is told, p50; floor: put until a bare watch is",
    value: own.p50,
    unit: "ms",
    floor: floor.p50,
    reach: "<= floor + 2 ms",
    holds: own.p50 <= floor.p50 + 2,
    note: `p99 ${rounded(own.p99)} ms, floor's p99 ${rounded(floor.p99)} ms, ${own.count} puts`,
  };
}

/**
 * Answers while 10,000 routes are applied, beside answers while nothing is: in turn, and again and again. Another server of
 * the same names is asked at the same moments, and goes first on the machine as ours does: what happens to it as well is
 * the machine's.
 */
async function storm({ lab }: Stage, installation: Installation, size: number, before: number): Promise<Figure> {
  const { host } = installation;
  const place = host.in("own0");
  const names = namesOfPeers();
  const other = await peers.dnsmasq(
    host.in(`skein-${net}`),
    join(lab.directory, `dnsmasq-${size}`),
    gateway,
    names,
    first,
  );
  await answering(place, other, `c0.${names.domain}`);
  const questions = join(lab.directory, "questions-storm");
  const asked = names.entries.map(([name]) => name);
  await writeQuestions(questions, [...new Set(asked)], names.domain);
  const ask = (of: Pick<Server, "address">) => load(place, of, questions, { seconds: 1, rate, isPinned: false });
  const both = async () => {
    for (const { lost } of await Promise.all([ask(server), ask(other)])) losses += lost;
  };
  let losses = 0;
  const spans: { rest: Span; storm: Span }[] = [];
  const wire = await watchExchanges(place);
  for (let round = 0; round < rounds; round++) {
    const rest = await spanOf(async () => {
      for (let n = 0; n < restSeconds; n++) await both();
    });
    let isOver = false;
    const storm = spanOf(() => apply(installation, size, (before + round) * stormRows)).finally(() => {
      isOver = true;
    });
    while (!isOver) await both();
    spans.push({ rest, storm: await storm });
  }
  const exchanges = await wire.stop();
  await other.end();
  const p99 = (of: string, within: Span) => spread(latencies(exchanges, of, within)).p99;
  const [calm, rough, calmOther, roughOther] = [server, other].flatMap(({ address }) => [
    spans.map(({ rest }) => p99(address, rest)),
    spans.map(({ storm }) => p99(address, storm)),
  ]) as [number[], number[], number[], number[]];
  const [value, floor] = [spread(rough).p50, spread(calm).p50];
  const count = spans.reduce((sum, { storm }) => sum + latencies(exchanges, server.address, storm).length, 0);
  const applied = spread(spans.map(({ storm }) => storm.to - storm.from)).p50 / 1000;
  return {
    what: `an answer while ${stormRows} rows are applied, in transactions of ${size}, p99; floor: while nothing is`,
    value,
    unit: "ms",
    floor,
    reach: "<= 3 x floor",
    holds: value <= 3 * floor && losses === 0,
    note: [
      `by the kernel's clock at the client; median of ${rounds} storms, ${rough.map(rounded).join(", ")}; at rest ${calm.map(rounded).join(", ")}`,
      `dnsmasq at the same moments ${rounded(spread(roughOther).p50)}, at rest ${rounded(spread(calmOther).p50)}`,
      `${count} questions in storms, ${losses} lost; rows applied in ${applied.toFixed(1)} s`,
    ].join("; "),
  };
}

/** Milliseconds since the epoch. */
interface Span {
  from: number;
  to: number;
}

async function spanOf(work: () => Promise<unknown>): Promise<Span> {
  const from = Date.now();
  await work();
  return { from, to: Date.now() };
}

function latencies(exchanges: readonly Exchange[], of: string, { from, to }: Span): number[] {
  return exchanges.flatMap(({ server, at, ms }) => (server === of && at >= from && at < to ? [ms] : []));
}

/** The containers that the world began with: each name is had by one on every host. */
function namesOfPeers(): Names {
  const entries = Array.from({ length: hosts * containersEach }, (_, n) => {
    const address = toNumber(peerAt(Math.floor(n / containersEach)).address) + 1 + (n % containersEach);
    return [`c${n % containersEach}`, fromNumber(address)] as const;
  });
  return { domain: `${net}.skein.internal`, entries };
}

/** Resolves when all are in the kernel. */
async function apply({ client, agent }: Installation, size: number, from: number): Promise<void> {
  for (let done = 0; done < stormRows; done += size) {
    const writes = Array.from({ length: Math.min(size, stormRows - done) }, (_, n) =>
      containerWrite("p1", `s${from + done + n}`, strayAt(100_000 + from + done + n)),
    );
    await transact(client, writes);
  }
  while (!(await agent.isAtRest())) await pause(20);
}
