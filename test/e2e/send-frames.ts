import { closeSync } from "node:fs";
import { checked, loadLibc } from "../../src/kernel/libc.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;

/** Sends Ethernet frames as they are. Run as: send-frames.ts IFINDEX FRAME..., frames in hexadecimal. */
const [index, ...frames] = process.argv.slice(2);
const libc = loadLibc();
const socket = checked(libc.socket(AF_PACKET, SOCK_RAW, 0), "open packet socket");

// struct sockaddr_ll: family, protocol (none: nothing is received), interface.
const address = new DataView(new ArrayBuffer(20));
address.setUint16(0, AF_PACKET, true);
address.setInt32(4, Number(index), true);
checked(libc.bind(socket, new Uint8Array(address.buffer), address.byteLength), `bind to interface ${index}`);

for (const frame of frames) {
  const bytes = Buffer.from(frame, "hex");
  checked(libc.send(socket, bytes, bytes.length, 0), "send frame");
}
closeSync(socket);
