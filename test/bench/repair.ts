import { setTimeout as pause } from "node:timers/promises";
import { type Figure, msBetween, type Row, rounded, spread } from "./figure.ts";
import { converge, type Installation, install, namespacesOf, onStage, type Stage } from "./stage.ts";
import type { Witness } from "./witness/witness.ts";
import { net, peerAt } from "./world.ts";

/** Deletions of each sort; each row only once, since an agent slows down where it must repair one row again and again. */
const each = 40;
const spacingMs = 15;

/** One row that somebody else deletes, and what the witness hears when it is back. */
interface Damage {
  command: readonly [string, ...string[]];
  gone: string;
  back: readonly string[];
}

/** Rows deleted by hand with ip and bridge; from the kernel's notice of the deletion to that of the return. */
export const repair: Row = { name: "repair", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const { witness } = stage;
  const installation = await install(stage, { host: "h1", peers: each, containersEach: 0, attached: each });
  await converge(installation);
  const { host } = installation;
  await witness.open("blue", namespacesOf(host).inside);
  for (let n = 0; n < each; n++) await witness.open(`own${n}`, `/proc/${host.pid}/root/run/netns/own${n}`);
  const all: number[] = [];
  const notes: string[] = [];
  for (const [sort, damages] of Object.entries(await damagesTo(installation))) {
    const samples: number[] = [];
    for (const damage of damages) {
      await pause(spacingMs);
      samples.push(await timeRepair(witness, installation, damage));
    }
    all.push(...samples);
    const { p50, worst } = spread(samples);
    notes.push(`${sort} ${rounded(p50)}/${rounded(worst)}`);
  }
  const { p50, p99, count } = spread(all);
  const note = `${count} deletions; p50/worst of each sort in ms: ${notes.join(", ")}`;
  return [
    {
      what: "deleted route, FDB row, neighbour, address, link: back after, p50",
      value: p50,
      unit: "ms",
      reach: "<= 20 ms",
      holds: p50 <= 20,
      note,
    },
    { what: "the same, p99", value: p99, unit: "ms", reach: "<= 200 ms", holds: p99 <= 200, note: "" },
  ];
}

async function damagesTo({ host }: Installation): Promise<Record<string, Damage[]>> {
  const peers = Array.from({ length: each }, (_, n) => peerAt(n));
  const ports = await portsOf(host);
  const inside = ["ip", "-n", `skein-${net}`] as const;
  return {
    route: peers.map(({ block }) => one([...inside, "route", "del", block], "blue", `route ${block}`)),
    neighbour: peers.map(({ address }) =>
      one([...inside, "neigh", "del", address, "dev", "vx0"], "blue", `neighbour ${address}`),
    ),
    fdb: peers.map(({ mac, underlay }) =>
      one(
        ["bridge", "-n", `skein-${net}`, "fdb", "del", mac, "dev", "vx0", "dst", underlay, "self"],
        "blue",
        `fdb ${mac}`,
      ),
    ),
    address: ports.map(({ container, address }) =>
      one(["ip", "-n", container, "addr", "del", address, "dev", "eth0"], container, `address ${address}`),
    ),
    // With a port go both ends of the pair and all that hangs on them.
    link: ports.map(({ port, container, address }) => ({
      command: [...inside, "link", "del", port],
      gone: `blue - link ${port}`,
      back: [
        `blue + link ${port} up`,
        `${container} + link eth0 up`,
        `${container} + address ${address}`,
        `${container} + route 0.0.0.0/0`,
      ],
    })),
  };
}

function one(command: readonly [string, ...string[]], where: string, row: string): Damage {
  return { command, gone: `${where} - ${row}`, back: [`${where} + ${row}`] };
}

interface Port {
  port: string;
  container: string;
  /** With its length. */
  address: string;
}

/** Containers' ports, matched to containers by the alias that names the far end. */
async function portsOf(host: Installation["host"]): Promise<Port[]> {
  const links: { ifname: string; ifalias?: string }[] = JSON.parse(
    await host.output("ip", ["-n", `skein-${net}`, "-json", "link", "show"]),
  );
  return Promise.all(
    Array.from({ length: each }, async (_, n) => {
      const container = `own${n}`;
      const found = links.find(({ ifalias }) => ifalias?.split(/\s/).some((word) => word.endsWith(`/${container}`)));
      const [eth0] = JSON.parse(
        await host.output("ip", ["-n", container, "-json", "-4", "addr", "show", "dev", "eth0"]),
      );
      const [{ local, prefixlen }] = eth0.addr_info;
      if (!found) throw new Error(`Cannot find the port of ${container}: expected an alias that names it`);
      return { port: found.ifname, container, address: `${local}/${prefixlen}` };
    }),
  );
}

async function timeRepair(witness: Witness, { host }: Installation, { command, gone, back }: Damage): Promise<number> {
  const [program, ...args] = command;
  const deleted = witness.heard([gone]);
  const returned = witness.heard(back);
  await host.output(program, args);
  return msBetween(await deleted, await returned);
}
