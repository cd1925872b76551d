import { checked, type Libc, lastErrno, MessageSlots, SystemError } from "../libc.ts";
import * as c from "./constants.ts";

/** Reads and writes netlink sockets synchronously; one instance a thread, since its buffers are shared by all calls. */
export interface NetlinkIo {
  /** A socket in the thread's present namespace; with groups it listens. */
  open(protocol: number, groups: readonly number[]): number;
  /** Sends all messages and waits for the last answer. Writes sequence numbers and ACK flags into `messages`. */
  batch(fd: number, messages: Uint8Array): { errnos: Int32Array; texts: Map<number, string> };
  /** Sends an nftables transaction, whose messages begin and end it; answers its errno. */
  transact(fd: number, messages: Uint8Array): number;
  /** Messages of one whole dump. Throws SystemError with what the kernel answers. */
  dump(fd: number, request: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Everything queued on an event socket; `lost` when it overflowed or a message was too long for its slot. */
  drain(fd: number): { bytes: Uint8Array<ArrayBuffer>; lost: boolean };
}

/** What one send carries. Only its last message asks for an ACK: 10,000 routes take 27-42 ms so, 46-62 with an ACK each. */
const chunkBytes = 64 * 1024;
/** Room for an error (~830 B of buffer) for each of the ~1,500 messages of a chunk, and as much again. */
const answerBufferBytes = 4 * 1024 * 1024;
/** Notifications are ~100 B to 2 KB; a link with many virtual functions may pass 8 KB, and then counts as lost. */
const slotBytes = 16 * 1024;
const slots = 64;
const dumpTries = 20;
const receiveTimeoutSeconds = 5;

export function netlinkIo(libc: Libc, eventBufferBytes: number): NetlinkIo {
  const received = new Uint8Array(256 * 1024);
  const receivedView = new DataView(received.buffer);
  const many = receiveMany(libc);
  let sequence = 0;

  return { open, batch, transact, dump, drain };

  function open(protocol: number, groups: readonly number[]): number {
    const fd = checked(libc.socket(c.AF_NETLINK, c.SOCK_RAW | c.SOCK_CLOEXEC, protocol), "open netlink socket");
    setOption(fd, c.SOL_SOCKET, c.SO_RCVBUFFORCE, groups.length > 0 ? eventBufferBytes : answerBufferBytes);
    for (const option of [c.NETLINK_EXT_ACK, c.NETLINK_CAP_ACK, c.NETLINK_GET_STRICT_CHK]) {
      setOption(fd, c.SOL_NETLINK, option, 1);
    }
    // A dump's next part is made by recv itself; should none come, this thread must not wait for ever: see kernel.ts.
    const seconds = new Int32Array([receiveTimeoutSeconds, 0, 0, 0]);
    checked(libc.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVTIMEO, seconds, 16), "set receive timeout of netlink socket");
    const address = new Uint8Array(12);
    address[0] = c.AF_NETLINK;
    checked(libc.bind(fd, address, address.length), "bind netlink socket");
    for (const group of groups) setOption(fd, c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, group);
    return fd;
  }

  function setOption(fd: number, level: number, name: number, value: number): void {
    checked(libc.setsockopt(fd, level, name, Int32Array.of(value), 4), `set option ${level}/${name} of netlink socket`);
  }

  function batch(fd: number, messages: Uint8Array) {
    const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength);
    const errnos = new Int32Array(countMessages(view));
    const texts = new Map<number, string>();
    const first = sequence + 1;
    let index = 0;
    let start = 0;
    while (start < messages.length) {
      let end = start;
      let last = start;
      do {
        view.setUint32(end + 8, ++sequence, true);
        last = end;
        end += aligned(view.getUint32(end, true));
      } while (end < messages.length && end + aligned(view.getUint32(end, true)) - start <= chunkBytes);
      view.setUint16(last + 6, view.getUint16(last + 6, true) | c.NLM_F_ACK, true);
      checked(libc.send(fd, messages.subarray(start, end), end - start, 0), "send to netlink socket");
      if (!readAcks(fd, first, sequence, errnos, texts)) {
        // The answers overflowed the buffer: which of these messages were applied is not known; all can be repeated.
        errnos.fill(c.ENOBUFS, index, sequence - first + 1);
      }
      index = sequence - first + 1;
      start = end;
    }
    return { errnos, texts };
  }

  /** Reads until the answer to `last`, false when it does not come. Work is done within send(), so answers wait already. */
  function readAcks(fd: number, first: number, last: number, errnos: Int32Array, texts: Map<number, string>): boolean {
    for (;;) {
      const length = libc.recv(fd, received, received.length, c.MSG_DONTWAIT);
      if (length < 0) return false;
      for (let at = 0; at + 16 <= length; at += aligned(receivedView.getUint32(at, true))) {
        const seq = receivedView.getUint32(at + 8, true);
        if (receivedView.getUint16(at + 4, true) !== c.NLMSG_ERROR || seq < first) continue;
        const errno = -receivedView.getInt32(at + 16, true);
        errnos[seq - first] = errno;
        const text = errno === 0 ? undefined : extendedAck(receivedView, at);
        if (text) texts.set(seq - first, text);
        if (seq === last) return true;
      }
    }
  }

  /** All of it or nothing happens, within send(); the last message but one, before the end, says so, or some message why not. */
  function transact(fd: number, messages: Uint8Array): number {
    const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength);
    // It must go in one piece, and a socket has 208 KB at first.
    if (messages.length > chunkBytes) setOption(fd, c.SOL_SOCKET, c.SO_SNDBUFFORCE, messages.length * 2);
    const count = countMessages(view);
    const errnos = new Int32Array(count);
    const first = sequence + 1;
    for (let at = 0, index = 0; at < messages.length; at += aligned(view.getUint32(at, true)), index++) {
      view.setUint32(at + 8, ++sequence, true);
      if (index === count - 2) view.setUint16(at + 6, view.getUint16(at + 6, true) | c.NLM_F_ACK, true);
    }
    checked(libc.send(fd, messages, messages.length, 0), "send to netlink socket");
    const isAnswered = readAcks(fd, first, sequence - 1, errnos, new Map());
    return errnos.find((errno) => errno !== 0) ?? (isAnswered ? 0 : c.ENOBUFS);
  }

  function dump(fd: number, request: Uint8Array): Uint8Array<ArrayBuffer> {
    for (let tries = 0; tries < dumpTries; tries++) {
      const parts = dumpOnce(fd, request);
      if (parts) return concatenated(parts);
    }
    throw new Error(`Cannot dump: expected a dump without interruption in ${dumpTries} tries, got none`);
  }

  /** Parts of one dump, `undefined` when a change interrupted it, so that rows may be missing or double. */
  function dumpOnce(fd: number, request: Uint8Array): Uint8Array[] | undefined {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    view.setUint32(8, ++sequence, true);
    checked(libc.send(fd, request, request.length, 0), "send dump request");
    const parts: Uint8Array[] = [];
    let interrupted = false;
    for (;;) {
      const length = checked(libc.recv(fd, received, received.length, c.MSG_TRUNC), "receive dump");
      if (length > received.length)
        throw new Error(`Cannot receive dump: expected at most ${received.length} B, got ${length}`);
      let end = 0;
      let done = false;
      for (let at = 0; at + 16 <= length && !done; at += aligned(receivedView.getUint32(at, true))) {
        if (receivedView.getUint32(at + 8, true) !== sequence) continue;
        interrupted ||= (receivedView.getUint16(at + 6, true) & c.NLM_F_DUMP_INTR) !== 0;
        const type = receivedView.getUint16(at + 4, true);
        if (type === c.NLMSG_ERROR || type === c.NLMSG_DONE) {
          const errno = -receivedView.getInt32(at + 16, true);
          if (errno > 0) throw new SystemError(`dump: ${extendedAck(receivedView, at) ?? "the kernel refuses"}`, errno);
          done = true;
        } else {
          end = at + aligned(receivedView.getUint32(at, true));
        }
      }
      if (end > 0) parts.push(received.slice(0, end));
      if (done) return interrupted ? undefined : parts;
    }
  }

  function drain(fd: number): { bytes: Uint8Array<ArrayBuffer>; lost: boolean } {
    const parts: Uint8Array[] = [];
    let lost = false;
    for (;;) {
      const got = many.receive(fd, parts);
      if (got.errno === c.EAGAIN) return { bytes: concatenated(parts), lost };
      if (got.errno !== 0 && got.errno !== c.ENOBUFS) throw new SystemError("receive events", got.errno);
      lost ||= got.errno === c.ENOBUFS || got.truncated;
    }
  }
}

/** One call for 64 notifications, where recv takes one call each. */
function receiveMany(libc: Libc) {
  const many = new MessageSlots(libc, { count: slots, message: slotBytes });
  return {
    /** Appends a copy of what waits; EAGAIN when nothing does. */
    receive(fd: number, parts: Uint8Array[]): { errno: number; truncated: boolean } {
      const count = many.receive(fd);
      if (count < 0) return { errno: lastErrno(), truncated: false };
      let truncated = false;
      for (let slot = 0; slot < count; slot++) {
        truncated ||= many.isTruncated(slot);
        parts.push(many.message(slot, aligned(many.length(slot))).slice());
      }
      return { errno: 0, truncated };
    },
  };
}

function countMessages(view: DataView): number {
  let count = 0;
  for (let at = 0; at < view.byteLength; count++) {
    const length = at + 16 <= view.byteLength ? view.getUint32(at, true) : 0;
    if (length < 16 || at + length > view.byteLength) {
      throw new RangeError(`Cannot send batch: expected a whole netlink message at ${at}, got length ${length}`);
    }
    at += aligned(length);
  }
  return count;
}

/** The words of a refusal, where the kernel has any: attributes after nlmsgerr, whose request is capped to its header. */
function extendedAck(view: DataView, at: number): string | undefined {
  if ((view.getUint16(at + 6, true) & c.NLM_F_ACK_TLVS) === 0) return undefined;
  const end = at + view.getUint32(at, true);
  const isDone = view.getUint16(at + 4, true) === c.NLMSG_DONE;
  for (let tlv = at + (isDone ? 20 : 36); tlv + 4 <= end; tlv += aligned(view.getUint16(tlv, true))) {
    const length = view.getUint16(tlv, true);
    if (length < 4) return undefined;
    if ((view.getUint16(tlv + 2, true) & c.NLA_TYPE_MASK) === c.NLMSGERR_ATTR_MSG) {
      return Buffer.from(view.buffer, view.byteOffset + tlv + 4, length - 5).toString("latin1");
    }
  }
  return undefined;
}

function concatenated(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
