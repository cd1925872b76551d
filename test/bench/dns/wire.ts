import { startCapture } from "../../../src/lab/capture.ts";
import type { Place } from "../../../src/lab/place.ts";

/** A question and its answer, as they passed a client's interface. */
export interface Exchange {
  /** The server's address. */
  server: string;
  /** When the question left, in milliseconds since the epoch. */
  at: number;
  /** From there until the answer came. */
  ms: number;
}

const line = /^(\d+):(\d+):([\d.]+) .*?: (\S+)\.(\d+) > (\S+)\.(\d+): (\d+)/;

/**
 * Watches a container's questions and their answers. Times are the kernel's, so that what a client waits for its own
 * turn on the processor is not in them.
 */
export async function watchExchanges(place: Place): Promise<{ stop(): Promise<Exchange[]> }> {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const capture = await startCapture(place, "eth0", "udp port 53");
  return {
    async stop() {
      const asked = new Map<string, number>();
      return (await capture.stop()).flatMap((text): Exchange[] => {
        const [, hours, minutes, seconds, from, fromPort, to, toPort, id] = line.exec(text) ?? [];
        const at = midnight + ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
        if (toPort === "53") {
          asked.set(`${to} ${fromPort} ${id}`, at);
          return [];
        }
        const question = `${from} ${toPort} ${id}`;
        const begun = asked.get(question);
        asked.delete(question);
        return from === undefined || begun === undefined ? [] : [{ server: from, at: begun, ms: at - begun }];
      });
    },
  };
}
