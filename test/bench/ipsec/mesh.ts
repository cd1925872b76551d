import { createLab } from "../../../src/lab/lab.ts";
import { charonOn } from "../../ike/charon.ts";
import { type Figure, type Row, rounded, spread } from "../figure.ts";
import { type Load, loadPeers } from "./mesh-load.ts";

const rounds = 3;
/** Those that the figures are of, and others, to see what grows. */
const peers = 200;
const others = [50, 100, 1_000];

/**
 * So many peers of one charon, known by configuration only: none of them is there. With ESP in user space, so that any
 * kernel will do; what is measured has no part in ESP.
 */
export const tunnelMesh: Row = { name: "tunnel-mesh", run: measure };

async function measure(): Promise<Figure[]> {
  const lab = await createLab({ hosts: 1 });
  try {
    const host = lab.host("h1");
    const charon = await charonOn(lab, host);
    const own = host.underlay.address();
    const loads: Load[] = [];
    for (let round = 0; round < rounds; round++) loads.push(await loadPeers(charon, peers, own));
    const sizes: [number, Load][] = [];
    for (const size of others) sizes.push([size, await loadPeers(charon, size, own)]);
    return figures(loads, sizes);
  } finally {
    await lab.close();
  }
}

function figures(loads: readonly Load[], sizes: readonly [number, Load][]): Figure[] {
  const of = (read: (load: Load) => number) => spread(loads.map(read)).p50;
  const also = (read: (load: Load) => number, unit: string) =>
    sizes.map(([size, load]) => `${size} peers: ${rounded(read(load))} ${unit}`).join(", ");
  const [load, bare] = [of(({ loadMs }) => loadMs), of(({ bareMs }) => bareMs)];
  const [one, oneBare] = [of(({ oneMs }) => oneMs), of(({ oneBareMs }) => oneBareMs)];
  const list = of(({ listMs }) => listMs);
  const rss = of(({ charon }) => charon.rssMb);
  return [
    {
      what: `charon is told of ${peers} peers; floor: the same messages, ready, over a bare VICI connection`,
      value: load,
      unit: "ms",
      floor: bare,
      reach: "<= 1.5 x floor",
      holds: load <= 1.5 * bare,
      note: `charon's processor time ${of(({ charon }) => charon.cpuMs)} ms; ${also(({ loadMs }) => loadMs, "ms")}`,
    },
    {
      what: `one peer more, at ${peers}; floor: its message, ready`,
      value: one,
      unit: "ms",
      floor: oneBare,
      reach: "<= 5 ms",
      holds: one <= 5,
      note: `our processor time ${rounded(of(({ oneCpuMs }) => oneCpuMs))} ms; ${also(({ oneMs }) => oneMs, "ms")}`,
    },
    {
      what: `what charon was told is listed, ${peers} peers`,
      value: list,
      unit: "ms",
      reach: "<= 100 ms",
      holds: list <= 100,
      note: also(({ listMs }) => listMs, "ms"),
    },
    {
      what: `charon's RSS with ${peers} peers; floor: with none`,
      value: rss,
      unit: "MB",
      floor: of(({ idle }) => idle.rssMb),
      reach: "<= 30 MB",
      holds: rss <= 30,
      note: also(({ charon }) => charon.rssMb, "MB"),
    },
  ];
}
