import { createSocket } from "node:dgram";
import { closeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { Frames, frame } from "./frames.ts";
import type { Transport } from "./response.ts";

/** Takes a message and gives its answer back, at once or later; undefined where it deserves none. */
export type Serve = (message: Buffer, transport: Transport) => Buffer | undefined | Promise<Buffer | undefined>;

/** Connections of one network; more are closed at once. */
const mostConnections = 256;
/** Milliseconds that a connection may be silent (RFC 7766, 6.2.3 asks for a few seconds). */
const idleMs = 10_000;
/** Questions of one connection that wait for an answer; it is read no further meanwhile. */
const mostWaiting = 64;

/** Serves one network by the sockets given, which are closed with it. */
export function openSockets(udp: number, tcp: number, serve: Serve): { close(): void } {
  const closers = [openUdp(udp, serve), openTcp(tcp, serve)];
  return {
    close() {
      for (const close of closers) close();
    },
  };
}

function openUdp(fd: number, serve: Serve): () => void {
  let isOpen = true;
  const socket = createSocket("udp4", (message, { address, port }) => {
    const answer = serve(message, "udp");
    // A client that is gone is no error of ours.
    const send = (bytes: Buffer | undefined) => {
      if (bytes && isOpen) socket.send(bytes, port, address, ignore);
    };
    if (answer instanceof Promise) void answer.then(send);
    else send(answer);
  });
  // An ICMP error to an answer, told at the next read: the client is gone.
  socket.on("error", ignore);
  socket.bind({ fd });
  return () => {
    if (!isOpen) return;
    isOpen = false;
    socket.close();
  };
}

function openTcp(fd: number, serve: Serve): () => void {
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
    converse(connection, serve);
  });
  server.maxConnections = mostConnections;
  server.on("error", ignore);
  server.listen({ fd });
  return () => {
    server.close();
    for (const connection of connections) connection.destroy();
  };
}

/** Answers go out as they are ready, not as they were asked (RFC 7766, 6.2.1.1). */
function converse(connection: Socket, serve: Serve): void {
  const frames = new Frames();
  let waiting = 0;
  connection.setTimeout(idleMs, () => connection.destroy());
  connection.on("error", ignore);
  connection.on("data", (bytes) => {
    for (const message of frames.take(bytes)) void reply(Buffer.from(message));
  });

  async function reply(message: Buffer): Promise<void> {
    if (++waiting >= mostWaiting) connection.pause();
    const answer = await serve(message, "tcp");
    if (--waiting < mostWaiting) connection.resume();
    if (answer && connection.writable) connection.write(frame(answer));
  }
}

function ignore(): void {}

/** For sockets that were made for nobody any more. */
export function closeUnused(...fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}
