import { join } from "node:path";
import { fromNumber, toNumber } from "../../../src/model/address.ts";
import { type Figure, type Row, rounded, spread } from "../figure.ts";
import { converge, type Installation, install, onStage, type Stage } from "../stage.ts";
import { containerWrite, net, peerAt, write } from "../world.ts";
import { answering, fullName, type Load, load, writeQuestions } from "./load.ts";
import { type Names, peers, pin, type Server, serverCore } from "./servers.ts";

/** Names, spread over so many hosts. */
const count = 10_000;
const hosts = 100;
const seconds = 5;
/** Each is measured so often, in turn; the best counts, since all that others do on the machine only takes away. */
const rounds = 3;
/** Far from what any of them can do, so that what is measured is an answer and not a queue. */
const rate = 5_000;

/** Names answered in a second and how fast, beside others who do it, with one core for the server and one for the client. */
export const nameThroughput: Row = { name: "name-throughput", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: hosts, containersEach: 0 });
  await converge(installation);
  const names = await declareNames(installation);
  const own: Server = { name: "skein", address: "169.254.169.250", domain: names.domain, end: async () => {} };
  const client = installation.host.in("own0");
  await answering(client, own, fullName(`n${count - 1}`, names.domain));
  const servers = { skein: async () => own, ...peers };
  const loads = new Map<string, { full: Load[]; steady: Load[] }>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of Object.entries(servers)) {
      // Its agent is idle then, with all that it does besides on the same core.
      pin(installation.agent.pid(), serverCore);
      const directory = join(stage.lab.directory, `${name}-${round}`);
      // At the gateway's address: another one of the same bridge.
      const inside = installation.host.in(`skein-${net}`);
      const server = await start(inside, directory, "10.128.0.1", names);
      const questions = join(stage.lab.directory, `questions-${server.domain}`);
      await writeQuestions(
        questions,
        names.entries.map(([name]) => name),
        server.domain,
      );
      await answering(client, server, fullName(`n${count - 1}`, server.domain));
      const found = loads.get(name) ?? { full: [], steady: [] };
      found.full.push(await load(client, server, questions, { seconds }));
      found.steady.push(await load(client, server, questions, { seconds, rate, isDetailed: true }));
      loads.set(name, found);
      await server.end();
    }
  }
  return [rateFigure(loads), latencyFigure(loads)];
}

async function declareNames({ client }: Installation): Promise<Names> {
  const each = count / hosts;
  const entries = Array.from({ length: count }, (_, n) => {
    const address = toNumber(peerAt(Math.floor(n / each)).address) + 1 + (n % each);
    return [`n${n}`, fromNumber(address)] as const;
  });
  await write(
    client,
    entries.map(([name, ip], n) => containerWrite(peerAt(Math.floor(n / each)).name, name, ip)),
  );
  return { domain: `${net}.skein.internal`, entries };
}

type Loads = ReadonlyMap<string, { full: Load[]; steady: Load[] }>;

function rateFigure(loads: Loads): Figure {
  const rates = new Map([...loads].map(([name, { full }]) => [name, Math.max(...full.map((one) => one.perSecond))]));
  const of = (name: string) => rates.get(name) ?? Number.NaN;
  const lost = [...loads].map(([name, { full }]) => `${name} ${full.reduce((sum, one) => sum + one.lost, 0)}`);
  return {
    what: `names answered in a second, ${count} names, one core for the server; floor: aardvark-dns`,
    value: of("skein"),
    unit: "1/s",
    floor: of("aardvark-dns"),
    reach: ">= 1.0 x aardvark-dns, >= 0.7 x dnsmasq",
    holds: of("skein") >= of("aardvark-dns") && of("skein") >= 0.7 * of("dnsmasq"),
    note: `${[...rates].map(([name, value]) => `${name} ${value.toFixed(0)}`).join(", ")}; lost: ${lost.join(", ")}; best of ${rounds} runs of ${seconds} s, in turn`,
  };
}

function latencyFigure(loads: Loads): Figure {
  const spreads = new Map(
    [...loads].map(([name, { steady }]) => [name, spread(steady.flatMap((one) => one.latencies))]),
  );
  const own = spreads.get("skein") ?? spread([]);
  const floor = spreads.get("dnsmasq") ?? spread([]);
  const texts = [...spreads].map(([name, { p50, p99 }]) => `${name} ${rounded(p50)}/${rounded(p99)}`);
  return {
    what: `an answer at ${rate} questions a second, p50; floor: dnsmasq`,
    value: own.p50,
    unit: "ms",
    floor: floor.p50,
    reach: "<= 1 ms",
    holds: own.p50 <= 1,
    note: `p50/p99 in ms: ${texts.join(", ")}`,
  };
}
