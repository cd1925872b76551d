import { readFileSync } from "node:fs";
import type { Row } from "../../src/desired/rows.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { addAll, driversOf } from "./driven.ts";

// Run inside a host's namespace: the rows on standard input, in order, into the kernel as that host's agent would.
const rows = JSON.parse(readFileSync(0, "utf8")) as Row[];
const kernel = await openKernel();
try {
  await addAll(driversOf(kernel), rows);
} finally {
  await kernel.close();
}
