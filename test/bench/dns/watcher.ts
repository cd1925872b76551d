import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";

/**
 * Reads `NAME ADDRESS` lines, asks for each name again and again until it is told the address, and says when by the
 * machine's monotonic clock in nanoseconds.
 */
const server = "169.254.169.250";
const socket = createSocket("udp4");

function question(name: string): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

async function seen(name: string, address: string): Promise<bigint> {
  const message = question(name);
  const wanted = address.split(".").map(Number).join(".");
  return new Promise((resolve) => {
    const hear = (answer: Buffer) => {
      const isIt = answer.readUInt16BE(6) === 1 && [...answer.subarray(-4)].join(".") === wanted;
      if (!isIt) {
        // A hundred microseconds or so between two questions: finer than what is measured, and no flood.
        setImmediate(() => socket.send(message, 53, server));
        return;
      }
      socket.off("message", hear);
      resolve(process.hrtime.bigint());
    };
    socket.on("message", hear);
    socket.send(message, 53, server);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", address = ""] = line.split(" ");
  console.log(String(await seen(name, address)));
}
process.exit();
