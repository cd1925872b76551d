import { type Figure, rounded } from "./figure.ts";

/** A line a figure, and below it what else is to be said of it. */
export function printTable(figures: readonly Figure[]): void {
  const head = ["figure", "floor", "ratio", "reach", "holds"];
  const lines = figures.map(({ value, unit, floor, reach, holds }) => [
    `${rounded(value)} ${unit}`,
    floor === undefined ? "" : `${rounded(floor)} ${unit}`,
    floor === undefined ? "" : `${rounded(value / floor)} x`,
    reach,
    holds ? "yes" : "NO",
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const write = (cells: readonly string[], end: string) =>
    console.log(`${cells.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}  ${end}`);
  write(head, "what");
  figures.forEach(({ what, note }, at) => {
    write(lines[at]!, what);
    write(["", "", "", "", ""], `  ${note}`);
  });
}
