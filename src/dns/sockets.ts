import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { loadLibc } from "../kernel/libc.ts";
import { type Client, openDatagrams } from "./datagrams.ts";
import { Frames, frame } from "./frames.ts";
import type { Transport } from "./response.ts";

/** Takes a message and gives its answer back, at once or later; undefined where it deserves none. */
export type Serve = (message: Buffer, transport: Transport) => Buffer | undefined | Promise<Buffer | undefined>;

/** Connections of one network; more are closed at once. */
const mostConnections = 256;
/** Milliseconds that a connection may be silent (RFC 7766, 6.2.3 asks for a few seconds). */
const idleMs = 10_000;

const datagrams = openDatagrams(loadLibc());

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
  let isDrained = false;
  const serveUdp = (message: Buffer) => serve(message, "udp");
  const send = (answer: Buffer | undefined, { address, port }: Client) => {
    // Port 0 is nobody's, and Node throws at it.
    if (answer === undefined || !isOpen || port === 0) return;
    // Without a callback, which would cost a turn of the loop: a client that is gone is no error of ours.
    socket.send(answer, port, address);
  };
  const late = (answer: Promise<Buffer | undefined>, client: Client) =>
    void answer.then((bytes) => send(bytes, client));
  /** Once a turn of the loop: Node reads on in the same turn, and other networks want theirs. */
  const drain = () => {
    if (isDrained || !isOpen) return;
    isDrained = true;
    setImmediate(() => {
      isDrained = false;
    });
    datagrams.drain({ fd, serve: serveUdp, late, isOpen: () => isOpen });
  };
  const socket = createSocket({ type: "udp4", lookup }, (message, client) => {
    const answer = serveUdp(message);
    if (answer instanceof Promise) late(answer, client);
    else send(answer, client);
    drain();
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
    // Closed by either side in the middle of something: nothing is owed.
    converse(connection, serve).catch(ignore);
  });
  server.maxConnections = mostConnections;
  server.on("error", ignore);
  server.listen({ fd });
  return () => {
    server.close();
    for (const connection of connections) connection.destroy();
  };
}

/** One question at a time, so that a client that does not read its answers is not read either. */
export async function converse(connection: Socket, serve: Serve): Promise<void> {
  const frames = new Frames();
  connection.setTimeout(idleMs, () => connection.destroy());
  for await (const bytes of connection) {
    for (const message of frames.take(bytes)) {
      const answer = await serve(Buffer.from(message), "tcp");
      if (answer && !connection.write(frame(answer))) await once(connection, "drain");
    }
  }
}

/** Clients are known by address: looking those up, as is done for names, would cost a turn of the loop for each answer. */
function lookup(
  address: string,
  _options: unknown,
  done: (error: null, address: string, family: number) => void,
): void {
  done(null, address, 4);
}

function ignore(): void {}

/** For sockets that were made for nobody any more. */
export function closeUnused(...fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}
