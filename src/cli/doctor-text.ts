import type { Check, DoctorReport, Verdict } from "../doctor/check.ts";
import { oneLine } from "../observe/one-line.ts";
import { counted } from "./table.ts";
import type { Colour, Terminal } from "./terminal.ts";

const marks = {
  well: ["green", "ok     "],
  warning: ["yellow", "warning"],
  wrong: ["red", "WRONG  "],
  unknown: ["dim", "unknown"],
} as const satisfies Record<Verdict, [Colour, string]>;

export function doctorText({ checks }: DoctorReport, { paint }: Pick<Terminal, "paint">): string {
  const width = Math.max(...checks.map((check) => titleOf(check).length));
  return [...checks.flatMap((check) => linesOf(check, width, paint)), "", summary(checks)].join("\n");
}

function linesOf(check: Check, width: number, paint: Terminal["paint"]): string[] {
  const [colour, mark] = marks[check.verdict];
  const indent = " ".repeat(mark.length + 2);
  const head = `${paint(colour, mark)}  ${titleOf(check).padEnd(width)}  ${oneLine(check.found)}`;
  if (check.verdict === "well") return [head];
  return [
    head,
    `${indent}expected ${oneLine(check.expected)}`,
    ...(check.remedy === undefined ? [] : [`${indent}remedy: ${oneLine(check.remedy, 1_000)}`]),
  ];
}

function titleOf({ area, name }: Check): string {
  return area === name ? name : `${area}: ${name}`;
}

function summary(checks: readonly Check[]): string {
  const count = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length;
  const unseen = count("unknown") > 0 ? `, ${count("unknown")} that could not be seen` : "";
  return `${counted(checks.length, "check")}: ${count("well")} well, ${counted(count("warning"), "warning")}, ${count("wrong")} wrong${unseen}`;
}

export function faultText({ checks }: DoctorReport): string {
  const wrong = checks.filter(({ verdict }) => verdict === "wrong").map(titleOf);
  return `Cannot call this host well: expected nothing wrong, got ${counted(wrong.length, "fault")}: ${wrong.join(", ")}`;
}
