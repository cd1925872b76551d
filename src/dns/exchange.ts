import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { Frames, frame } from "./frames.ts";
import { answers } from "./query.ts";
import type { Upstream } from "./upstreams.ts";

/**
 * Asks one server by one datagram from a port of its own, so that a forger must guess the port, too (RFC 5452). Resolves
 * with its answer; rejects where it is not there, or when aborted.
 *
 * @param end where the question ends in `message`
 */
export function byUdp({ address, port }: Upstream, message: Buffer, end: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    let isOver = false;
    const finish = (done: () => void) => {
      // An answer and the end of patience may come in one turn; a socket is closed once.
      if (isOver) return;
      isOver = true;
      signal.removeEventListener("abort", abort);
      socket.close();
      done();
    };
    const abort = () => finish(() => reject(signal.reason));
    signal.addEventListener("abort", abort);
    // Connected, so that only this server is heard, and its absence too.
    socket.once("error", (error) => finish(() => reject(error)));
    socket.on("message", (answer) => {
      if (answers(answer, message, end)) finish(() => resolve(answer));
    });
    // Not the callback of connect, which would be given the error instead of it being emitted.
    socket.once("connect", () => socket.send(message, () => {}));
    socket.connect(port, address);
  });
}

/** As `byUdp`, for answers that no datagram holds. */
export function byTcp({ address, port }: Upstream, message: Buffer, end: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    const frames = new Frames();
    const finish = (done: () => void) => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      done();
    };
    const abort = () => finish(() => reject(signal.reason));
    signal.addEventListener("abort", abort);
    socket.once("error", (error) => finish(() => reject(error)));
    socket.once("close", () => finish(() => reject(new Error("Cannot ask upstream: it closed the connection"))));
    socket.on("data", (bytes) => {
      const answer = [...frames.take(bytes)].find((each) => answers(each, message, end));
      if (answer) finish(() => resolve(answer));
    });
    socket.write(frame(message));
  });
}
