import { execFile } from "node:child_process";
import { availableParallelism, loadavg, release } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { addresses } from "./addresses.ts";
import { adoption } from "./adoption.ts";
import { nameFreshness } from "./dns/freshness.ts";
import { nameThroughput } from "./dns/throughput.ts";
import { type Figure, type Row, rounded } from "./figure.ts";
import { tunnelFirstPacket } from "./ipsec/first-packet.ts";
import { tunnelMesh } from "./ipsec/mesh.ts";
import { tunnelPolicies } from "./ipsec/policies.ts";
import { tunnelThroughput } from "./ipsec/throughput.ts";
import { largeWorld } from "./large-world.ts";
import { manyPeers } from "./many-peers.ts";
import { memory } from "./memory.ts";
import { oneChange } from "./one-change.ts";
import { repair } from "./repair.ts";
import { slowRepair } from "./slow-repair.ts";
import { start } from "./start.ts";
import { printTable } from "./table.ts";

/**
 * `npm run bench`: every figure that was promised, with what it is measured against. Exit status 0 where all of them hold.
 *
 *     --only NAME   one row      --json   the same as data
 */
const rows: readonly Row[] = [
  oneChange,
  largeWorld,
  manyPeers,
  start,
  adoption,
  repair,
  slowRepair,
  addresses,
  memory,
  nameThroughput,
  nameFreshness,
  tunnelFirstPacket,
  tunnelThroughput,
  tunnelPolicies,
  tunnelMesh,
];

const { values } = parseArgs({ options: { only: { type: "string" }, json: { type: "boolean", default: false } } });
const chosen = rows.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0)
  throw new Error(`Cannot bench ${values.only}: expected one of ${rows.map(({ name }) => name).join(", ")}`);

// Users run what is built.
await promisify(execFile)("npm", ["run", "--silent", "build"], { cwd: join(import.meta.dirname, "../..") });
const before = loadavg();
const results = [];
for (const row of chosen) {
  const begun = performance.now();
  console.error(`measuring ${row.name}`);
  const figures = await row.run().catch((error: unknown) => [unmeasured(row, error)]);
  results.push({ name: row.name, seconds: (performance.now() - begun) / 1000, figures });
}
const figures = results.flatMap((result) => result.figures);
const machine = { processors: availableParallelism(), load: before[0] ?? 0, kernel: release(), node: process.version };
if (values.json) console.log(JSON.stringify({ machine, rows: results }, null, 2));
else {
  printTable(figures);
  const { processors, load, kernel, node } = machine;
  console.log(`\n${processors} processors, load ${rounded(load)} when it began, Linux ${kernel}, Node ${node}`);
}
process.exitCode = figures.every(({ holds }) => holds) ? 0 : 1;

/** A row that failed is a promise not kept; the others go on. */
function unmeasured({ name }: Row, error: unknown): Figure {
  const note = error instanceof Error ? error.message : String(error);
  return { what: `${name} could not be measured`, value: Number.NaN, unit: "x", reach: "a figure", holds: false, note };
}
