import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

const source = join(import.meta.dirname, "../src");

/**
 * Which folders a folder may import from at run time; types may come from anywhere but a folder further down the flow's
 * end (`cli`, `agent.ts`), which nothing imports.
 */
const allowed: Record<string, readonly string[]> = {
  model: [],
  // The table of kinds and their order is the contract between rules and engine.
  reconcile: ["desired/rows.ts"],
  desired: ["model"],
  kernel: ["model", "desired/rows.ts", "desired/print.ts", "reconcile/kind.ts"],
  ike: ["model", "desired/rows.ts", "desired/print.ts", "reconcile/kind.ts"],
  store: ["model"],
  dns: ["model", "desired/place.ts", "kernel/libc.ts"],
  ipam: ["model", "desired", "store"],
  runtime: ["model", "store"],
  observe: ["model", "desired", "store", "reconcile/kind.ts"],
  doctor: ["model", "desired", "store", "kernel", "ike"],
  lab: ["model", "kernel/open.ts", "kernel/capabilities.ts"],
};

const imports = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"(\.[^"]+)";/gms;

interface Import {
  from: string;
  to: string;
  type: boolean;
}

function allImports(): Import[] {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.flatMap((file) =>
    [...readFileSync(join(source, file), "utf8").matchAll(imports)].map(([, type, target]) => ({
      from: file,
      to: relative(source, join(source, dirname(file), target as string)),
      type: type !== undefined,
    })),
  );
}

function folderOf(file: string): string {
  return file.includes(sep) ? (file.split(sep)[0] as string) : "";
}

test("imports go one way, along the data flow", () => {
  const all = allImports();
  expect(all.length).toBeGreaterThan(100);
  const wrong = all.filter(({ from, to, type }) => {
    const here = folderOf(from);
    const rule = allowed[here];
    if (rule === undefined || folderOf(to) === here) return false;
    if (type) return folderOf(to) === "cli" || to === "agent.ts" || here === "model";
    return !rule.some((place) => to === place || to.startsWith(`${place}/`));
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});
