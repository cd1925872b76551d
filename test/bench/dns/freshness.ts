import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { listWatch } from "../../../src/store/list-watch.ts";
import { type Figure, msBetween, type Row, rounded, spread } from "../figure.ts";
import { converge, type Installation, install, onStage, type Stage } from "../stage.ts";
import { containerWrite, net, strayAt, transact } from "../world.ts";
import { answering, load, writeQuestions } from "./load.ts";

const samples = 200;
const warmUp = 30;
const rate = 1_000;
/** A storm of so many rows, in so many transactions. */
const stormRows = 10_000;
const stormSize = 1_000;
const rounds = 5;
const server = { address: "169.254.169.250" };

/** How soon a name is answered, and how fast while the agent has its hands full. */
export const nameFreshness: Row = { name: "name-freshness", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: 10, containersEach: 100 });
  await converge(installation);
  await answering(installation.host.in("own0"), server, `own0.${net}.skein.internal`);
  return [await visible(installation), await storm(stage, installation)];
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

/** Answers while 10,000 routes are applied, beside answers while nothing is: in turn, and again and again. */
async function storm({ lab }: Stage, installation: Installation): Promise<Figure> {
  const place = installation.host.in("own0");
  const questions = join(lab.directory, "questions-storm");
  await writeQuestions(
    questions,
    Array.from({ length: 100 }, (_, n) => `c${n}`),
    `${net}.skein.internal`,
  );
  const ask = () => load(place, server, questions, { seconds: 1, rate, isDetailed: true, isPinned: false });
  const [rest, busy, took]: [number[], number[], number[]] = [[], [], []];
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    rest.push(spread((await ask()).latencies).p99);
    let isOver = false;
    const applying = apply(installation, round * stormRows).finally(() => {
      isOver = true;
    });
    const latencies: number[] = [];
    while (!isOver) {
      const part = await ask();
      latencies.push(...part.latencies);
      lost += part.lost;
    }
    took.push(await applying);
    busy.push(spread(latencies).p99);
  }
  const [calm, rough] = [spread(rest), spread(busy)];
  return {
    what: `an answer while ${stormRows} rows are applied, p99; floor: while nothing is`,
    value: rough.p50,
    unit: "ms",
    floor: calm.p50,
    reach: "<= 3 x floor",
    holds: rough.p50 <= 3 * calm.p50 && lost === 0,
    note: `median of ${rounds} storms, ${busy.map(rounded).join(", ")}; at rest ${rest.map(rounded).join(", ")}; ${lost} lost; rows applied in ${(spread(took).p50 / 1000).toFixed(1)} s`,
  };
}

/** Resolves with the milliseconds until all are in the kernel. */
async function apply({ client, agent }: Installation, from: number): Promise<number> {
  const begun = performance.now();
  for (let first = from; first < from + stormRows; first += stormSize) {
    const writes = Array.from({ length: stormSize }, (_, n) =>
      containerWrite("p1", `s${first + n}`, strayAt(1000 + first + n)),
    );
    await transact(client, writes);
  }
  while (!(await agent.isAtRest())) await pause(20);
  return performance.now() - begun;
}
