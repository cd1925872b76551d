import { readFileSync, writeFileSync } from "node:fs";

/** Sets a sysctl of this process's network namespace to a wrong value, and prints the ms until it has its old one again. */
const [name, wrong] = process.argv.slice(2) as [string, string];
const path = `/proc/sys/${name.replaceAll(".", "/")}`;
const right = readFileSync(path, "utf8");
const begun = performance.now();
writeFileSync(path, wrong);
while (readFileSync(path, "utf8") !== right) {
  if (performance.now() - begun > 10_000) throw new Error(`Cannot see ${name} repaired: expected it within 10 s`);
  // Asleep in between: on two cores a busy loop would be measured too.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
console.log(performance.now() - begun);
