import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Place } from "../place.ts";

export interface PingResult {
  sent: number;
  received: number;
  /** Of the last answer; undefined where none came. */
  ttl: number | undefined;
  text: string;
}

export async function ping(from: Place, to: string, count = 2): Promise<PingResult> {
  const { stdout } = await from.exec("ping", ["-n", "-i", "0.05", "-W", "1", "-c", String(count), to]);
  return read(stdout);
}

/** Between two packets of a running ping, unless told otherwise. */
export const pingIntervalMs = 20;

/** A ping that goes on while something else happens. */
export interface RunningPing {
  /** Ends it, and tells what came of it. */
  stop(): Promise<PingResult>;
}

/** Resolves when the first answer has come, so that what follows happens under a running ping. */
export async function startPing(from: Place, to: string, intervalMs = pingIntervalMs): Promise<RunningPing> {
  const child = from.spawn("ping", ["-n", "-i", `${intervalMs / 1000}`, "-W", "1", to]);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const first = new Promise<void>((resolve) => {
    reader.on("line", (line) => {
      lines.push(line);
      if (line.includes("ttl=")) resolve();
    });
  });
  const closed = once(reader, "close");
  await Promise.race([first, closed]);
  return {
    async stop() {
      child.kill("SIGINT");
      await closed;
      return read(lines.join("\n"));
    },
  };
}

function read(text: string): PingResult {
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(text);
  const ttl = [...text.matchAll(/ttl=(\d+)/g)].at(-1)?.[1];
  return {
    sent: Number(counts?.[1] ?? 0),
    received: Number(counts?.[2] ?? 0),
    ttl: ttl === undefined ? undefined : Number(ttl),
    text,
  };
}

export function lossOf({ sent, received }: PingResult): string {
  return `${sent} sent, ${sent - received} lost`;
}

/** Addresses of the hops, `*` where none answered. */
export async function traceroute(from: Place, to: string): Promise<string[]> {
  const stdout = await from.output("traceroute", ["-n", "-q", "1", "-w", "1", "-m", "6", to]);
  return stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/)[1] ?? "*");
}
