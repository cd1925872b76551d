import { writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Place } from "../../../src/lab/place.ts";
import { clientCore, first, type Server } from "./servers.ts";

/** What dnsperf found. */
export interface Load {
  perSecond: number;
  lost: number;
  /** Milliseconds, one a question; only where they were asked for. */
  latencies: number[];
}

export interface LoadOptions {
  seconds: number;
  /** Questions a second; absent: as many as can be. */
  rate?: number;
  /** Keep each question's latency, which costs the client time. */
  isDetailed?: boolean;
  isPinned?: boolean;
}

export function fullName(name: string, domain: string): string {
  return domain === "" ? `${name}.` : `${name}.${domain}`;
}

/** Writes the questions that dnsperf is to ask, in its own format. */
export async function writeQuestions(file: string, names: readonly string[], domain: string): Promise<void> {
  await writeFile(file, names.map((name) => `${fullName(name, domain)} A\n`).join(""));
}

/** Asks a server from a container, as many clients do: four sockets, 200 questions under way. */
export async function load(
  place: Place,
  { address }: Pick<Server, "address">,
  questions: string,
  { seconds, rate, isDetailed = false, isPinned = true }: LoadOptions,
): Promise<Load> {
  const flags = ["-s", address, "-d", questions, "-l", String(seconds), "-c", "4", "-q", "200"];
  const more = [...(rate === undefined ? [] : ["-Q", String(rate)]), ...(isDetailed ? ["-v"] : [])];
  // Where it shares a core its own turn comes first: the server is measured, not the client.
  const pinned = isPinned ? ["taskset", "-c", clientCore] : first;
  const [command = "", ...args] = [...pinned, "dnsperf", ...flags, ...more];
  const text = await place.output(command, args);
  const number = (label: string) => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(text)?.[1] ?? Number.NaN);
  const latencies = [...text.matchAll(/^> NOERROR \S+ A ([\d.]+)$/gm)].map((match) => Number(match[1]) * 1000);
  return { perSecond: number("Queries per second"), lost: number("Queries lost"), latencies };
}

/** Resolves when the server has the name. */
export async function answering(place: Place, { address }: Pick<Server, "address">, name: string): Promise<void> {
  const ask = () => place.exec("dig", ["+short", "+tries=1", "+timeout=1", `@${address}`, name]);
  for (let at = 0; at < 200; at++) {
    if (/^\d/.test((await ask()).stdout)) return;
    await pause(50);
  }
  throw new Error(`Cannot measure ${address}: expected an answer for ${name}, got none`);
}
