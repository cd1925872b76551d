import { checked, type Libc, loadLibc } from "../../../src/kernel/libc.ts";
import { namespaceWindow } from "../../../src/kernel/namespace-window.ts";
import * as c from "../../../src/kernel/netlink/constants.ts";
import { dumpLinks, readLinks } from "../../../src/kernel/netlink/link-messages.ts";
import { netlinkIo } from "../../../src/kernel/netlink/socket.ts";

/** Two sockets: rtnetlink in a network's namespace, nftables in this process's. */
export interface Sender {
  /** The index of a device there. */
  indexOf(device: string): number;
  /** The kernel does the work before this returns; it throws where the kernel refused. */
  send(messages: Uint8Array): void;
  sendFilter(messages: Uint8Array): void;
}

export function openSender(namespace: number): Sender {
  const libc = loadLibc();
  const io = netlinkIo(libc, 1 << 20);
  const routes = namespaceWindow(libc).inside(namespace, () => io.open(c.NETLINK_ROUTE, []));
  const filters = io.open(c.NETLINK_NETFILTER, []);
  return {
    indexOf(device) {
      const found = readLinks(io.dump(routes, dumpLinks())).find(({ name }) => name === device);
      if (found === undefined) throw new Error(`Cannot prepare the floor: expected a device ${device}, got none`);
      return found.index;
    },
    send: (messages) => sendTo(libc, routes, messages),
    sendFilter: (messages) => sendTo(libc, filters, messages),
  };
}

/** Sends to XFRM in this process's own namespace. */
export function openXfrmSender(): (messages: Uint8Array) => void {
  const libc = loadLibc();
  const policies = netlinkIo(libc, 1 << 20).open(c.NETLINK_XFRM, []);
  return (messages) => sendTo(libc, policies, messages);
}

const answer = new Uint8Array(8192);

function sendTo(libc: Libc, fd: number, messages: Uint8Array): void {
  checked(libc.send(fd, messages, messages.length, 0), "send to netlink socket");
  // Nothing asked for an answer, so any is a refusal.
  if (libc.recv(fd, answer, answer.length, c.MSG_DONTWAIT) >= 0)
    throw new Error(`Cannot set rows of the floor: errno ${-new DataView(answer.buffer).getInt32(16, true)}`);
}
