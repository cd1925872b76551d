import { readFileSync } from "node:fs";

/** Of the package, as npm knows it; the same file serves src and dist. */
export const version: string = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;
