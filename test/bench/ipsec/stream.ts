import { setTimeout as pause } from "node:timers/promises";
import type { Place } from "../../../src/lab/place.ts";

/** Who streams to whom. */
export interface Path {
  from: Place;
  to: Place;
  address: string;
}

/** A server for any number of streams, that ends with the lab. Resolves when a stream gets through to it. */
export async function openPath(path: Path): Promise<void> {
  const server = path.to.spawn("iperf3", ["-s"]);
  server.stdout.resume();
  server.stderr.resume();
  server.unref();
  const until = performance.now() + 120_000;
  while ((await iperf(path, 1)).code !== 0) {
    if (performance.now() > until)
      throw new Error(`Cannot stream to ${path.address}: expected a way to it within 120 s`);
    await pause(500);
  }
}

/** What one TCP stream brings to the other end, in Mbit/s. */
export async function stream(path: Path, seconds: number): Promise<number> {
  const { stdout } = await iperf(path, seconds);
  const { end, error } = JSON.parse(stdout);
  if (error !== undefined) throw new Error(`Cannot stream to ${path.address}: iperf3 says ${error}`);
  return end.sum_received.bits_per_second / 1e6;
}

function iperf({ from, address }: Path, seconds: number) {
  return from.exec("iperf3", ["-c", address, "-t", `${seconds}`, "-J", "--connect-timeout", "2000"]);
}
