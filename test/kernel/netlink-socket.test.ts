import { expect, test } from "vitest";
import type { Libc } from "../../src/kernel/libc.ts";
import * as c from "../../src/kernel/netlink/constants.ts";
import { netlinkIo } from "../../src/kernel/netlink/socket.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";

interface Sent {
  seq: number;
  flags: number;
}

/** A socket whose kernel answers each send by the next function of the script: datagrams, of the messages that came. */
function scripted(script: ((sent: Sent[]) => Uint8Array[])[]) {
  const queue: Uint8Array[] = [];
  const sends: Sent[][] = [];
  const libc: Partial<Libc> = {
    send(_fd, buffer, length) {
      const view = new DataView(buffer.buffer, buffer.byteOffset, length);
      const sent: Sent[] = [];
      for (let at = 0; at < length; at += (view.getUint32(at, true) + 3) & ~3) {
        sent.push({ seq: view.getUint32(at + 8, true), flags: view.getUint16(at + 6, true) });
      }
      sends.push(sent);
      queue.push(...(script.shift()?.(sent) ?? []));
      return length;
    },
    recv(_fd, buffer) {
      const next = queue.shift();
      if (!next) return -1;
      (buffer as Uint8Array).set(next);
      return next.length;
    },
  };
  return { io: netlinkIo(libc as Libc, 0), sends };
}

function message(type: number, seq: number, payload: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, seq, true);
  view.setInt32(16, payload, true);
  return bytes;
}

function requests(count: number, size: number): Uint8Array {
  const writer = new MessageWriter();
  for (let index = 0; index < count; index++) {
    writer.begin(c.RTM_NEWROUTE, 0);
    for (let at = 16; at < size; at += 4) writer.u32(index);
  }
  return writer.finish();
}

const first = (sent: Sent[]) => sent[0]?.seq ?? 0;
const last = (sent: Sent[]) => sent.at(-1)?.seq ?? 0;

test("a dump that a change interrupted is made again", () => {
  const { io, sends } = scripted([
    (sent) => [message(c.RTM_NEWROUTE, first(sent), 1), message(c.NLMSG_DONE, first(sent), 0, c.NLM_F_DUMP_INTR)],
    (sent) => [
      message(c.RTM_NEWROUTE, first(sent) - 1, 7),
      message(c.RTM_NEWROUTE, first(sent), 2),
      message(c.NLMSG_DONE, first(sent), 0),
    ],
  ]);
  const dump = io.dump(3, requests(1, 20));
  expect(sends).toHaveLength(2);
  expect(new DataView(dump.buffer).getInt32(16, true)).toBe(2);
  expect(dump).toHaveLength(20);
});

test("a dump that the kernel refuses throws what it said", () => {
  const { io } = scripted([(sent) => [message(c.NLMSG_ERROR, first(sent), -22)]]);
  expect(() => io.dump(3, requests(1, 20))).toThrow("EINVAL");
});

test("a batch goes in pieces of 64 KB, each with one ACK, and errors find their message", () => {
  const { io, sends } = scripted([
    (sent) => [message(c.NLMSG_ERROR, first(sent) + 5, -17), message(c.NLMSG_ERROR, last(sent), 0)],
    (sent) => [message(c.NLMSG_ERROR, last(sent), -3)],
  ]);
  const { errnos } = io.batch(3, requests(1000, 100));
  expect(sends.map(({ length }) => length)).toEqual([655, 345]);
  for (const sent of sends) expect(sent.filter(({ flags }) => flags & c.NLM_F_ACK)).toEqual([sent.at(-1)]);
  expect([...errnos.entries()].filter(([, errno]) => errno !== 0)).toEqual([
    [5, 17],
    [999, 3],
  ]);
});

test("a piece whose answers overflowed has failed as a whole, the others have not", () => {
  const { io } = scripted([(sent) => [message(c.NLMSG_ERROR, last(sent), 0)], () => []]);
  const { errnos } = io.batch(3, requests(1000, 100));
  expect([...errnos.subarray(0, 655)].every((errno) => errno === 0)).toBe(true);
  expect([...errnos.subarray(655)].every((errno) => errno === c.ENOBUFS)).toBe(true);
});

test("what is no whole message is never sent", () => {
  const { io, sends } = scripted([]);
  expect(() => io.batch(3, requests(2, 20).subarray(0, 30))).toThrow("Cannot send batch");
  expect(sends).toEqual([]);
});
