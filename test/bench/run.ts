import { parseArgs } from "node:util";
import { addresses } from "./addresses.ts";
import { adoption } from "./adoption.ts";
import { nameFreshness } from "./dns/freshness.ts";
import { nameThroughput } from "./dns/throughput.ts";
import type { Row } from "./figure.ts";
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
];

const { values } = parseArgs({ options: { only: { type: "string" }, json: { type: "boolean", default: false } } });
const chosen = rows.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0)
  throw new Error(`Cannot bench ${values.only}: expected one of ${rows.map(({ name }) => name).join(", ")}`);

const results = [];
for (const row of chosen) {
  const begun = performance.now();
  console.error(`measuring ${row.name}`);
  const figures = await row.run();
  results.push({ name: row.name, seconds: (performance.now() - begun) / 1000, figures });
}
const figures = results.flatMap((result) => result.figures);
if (values.json) console.log(JSON.stringify(results, null, 2));
else printTable(figures);
process.exitCode = figures.every(({ holds }) => holds) ? 0 : 1;
