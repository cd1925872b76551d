import { type Libc, MessageSlots } from "../kernel/libc.ts";

/** What is done with a message: its answer, at once or later; undefined where it deserves none. */
export type ServeDatagram = (message: Buffer) => Buffer | undefined | Promise<Buffer | undefined>;

export interface Datagrams {
  /** Answers what waits at the socket. */
  drain(socket: DatagramSocket): void;
}

export interface DatagramSocket {
  fd: number;
  serve: ServeDatagram;
  /** Sends what comes to be known later. */
  late(answer: Promise<Buffer | undefined>, client: Client): void;
  /** Asked after each message: to serve it may close the socket, and its number may be another file's at once. */
  isOpen(): boolean;
}

export interface Client {
  address: string;
  port: number;
}

const slots = 32;
/** Room for a message or an answer; a question that is longer is none. */
const slotBytes = 4096;
/** Messages at one go, before other sockets and the agent's news have their turn. */
const mostRounds = 8;

/** struct sockaddr_in. */
const nameBytes = 16;

/**
 * Many datagrams a system call, recvmmsg(2) and sendmmsg(2): Node takes one at a time, each by way of a buffer of 64 KiB,
 * which costs as much as the answer does.
 */
export function openDatagrams(libc: Pick<Libc, "recvmmsg" | "sendmmsg">): Datagrams {
  const sizes = { count: slots, message: slotBytes, name: nameBytes };
  const [into, out] = [new MessageSlots(libc, sizes), new MessageSlots(libc, sizes)];
  /** One round; whether there may be more. */
  function round({ fd, serve, late, isOpen }: DatagramSocket): boolean {
    const count = into.receive(fd);
    let ready = 0;
    for (let slot = 0; slot < count; slot++) {
      if (into.isTruncated(slot)) continue;
      // A copy, which may be kept.
      const answer = serve(Buffer.from(into.message(slot)));
      if (!isOpen()) return false;
      if (answer instanceof Promise) late(answer, clientOf(into.name(slot)));
      else if (answer && answer.length <= slotBytes) out.put(ready++, answer, into.name(slot));
    }
    for (let sent = 0; sent < ready; ) {
      // One that cannot be sent is skipped, as if the network had lost it.
      sent += Math.max(out.send(fd, sent, ready - sent), 1);
    }
    return count === slots;
  }
  return {
    drain(socket) {
      for (let rounds = 0; rounds < mostRounds && socket.isOpen() && round(socket); rounds++);
    },
  };
}

function clientOf(name: Uint8Array): Client {
  const [, , high = 0, low = 0, ...address] = name.subarray(0, 8);
  return { address: address.join("."), port: (high << 8) | low };
}
