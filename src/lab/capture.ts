import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { LabError } from "./error.ts";
import type { Place } from "./place.ts";
import { isAsleep } from "./process-stat.ts";

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
  // As it is by default, its buffer holds 30 packets, each with room for the largest: 2,000 at once left it 700.
  const room = ["-s", "512", "-B", "8192"];
  const flags = ["-n", "-e", "-l", "--immediate-mode", ...room, "-i", device];
  const child = where.spawn("tcpdump", filter === "" ? flags : [...flags, filter]);
  const ended = once(child, "exit");
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => {
    if (line !== "") lines.push(line); // one ends the capture
  });
  const closed = once(reader, "close");

  await listening(child.stderr, device);

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
      await allRead();
      child.kill("SIGINT");
      await ended;
      await closed;
      return lines;
    },
  };

  /**
   * tcpdump drops what it has not read yet when it is told to end. Asleep, it has read everything, unless it waits for us
   * to take its lines: then more of them come.
   */
  async function allRead(): Promise<void> {
    for (;;) {
      const before = lines.length;
      if (!(await isAsleep(child.pid!))) continue;
      await setImmediate();
      if (lines.length === before) return;
    }
  }
}

/** Resolves when tcpdump says that it listens. @throws LabError with what it said instead. */
async function listening(stderr: Readable, device: string): Promise<void> {
  let said = "";
  for await (const text of stderr.iterator({ destroyOnReturn: false })) {
    said += text;
    if (!said.includes("listening on")) continue;
    stderr.resume(); // it says more at its end, and nobody reads that
    return;
  }
  throw new LabError("COMMAND_FAILED", `Cannot capture on ${device}: expected tcpdump to listen, got: ${said.trim()}`);
}
