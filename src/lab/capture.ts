import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Place } from "./place.ts";

/** The packets seen on one interface, as tcpdump's lines. */
export interface Capture {
  readonly lines: readonly string[];
  /** The first line that matches, past or to come. Rejects when the capture ends without one. */
  until(pattern: RegExp): Promise<string>;
  /** Ends the capture and gives all lines. */
  stop(): Promise<readonly string[]>;
}

/** Resolves when packets are being captured. `filter` is tcpdump's expression, such as `udp port 4789`. */
export async function startCapture(where: Place, device: string, filter = ""): Promise<Capture> {
  const flags = ["-n", "-e", "-l", "--immediate-mode", "-i", device];
  const child = where.spawn("tcpdump", [...flags, ...filter.split(" ").filter((word) => word !== "")]);
  const ended = once(child, "exit");
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  const closed = once(reader, "close");

  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith("listening on")) break;
  }
  if (child.exitCode !== null)
    throw new Error(`Cannot capture on ${device}: expected tcpdump to listen, got status ${child.exitCode}`);

  return {
    lines,
    until(pattern) {
      const past = lines.find((line) => pattern.test(line));
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve, reject) => {
        const check = (line: string) => {
          if (!pattern.test(line)) return;
          reader.off("line", check);
          resolve(line);
        };
        reader.on("line", check);
        closed.then(() =>
          reject(new Error(`Cannot find packet: expected one that matches ${pattern}, got ${lines.length} others`)),
        );
      });
    },
    async stop() {
      child.kill("SIGINT");
      await ended;
      await closed;
      return lines;
    },
  };
}
