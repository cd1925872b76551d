import { createSocket } from "node:dgram";
import { packet } from "./zone.ts";

/**
 * Asks for one name after another without pause, several at a time, and prints each answer as a line: the name, when it
 * was asked and answered by the machine's monotonic clock in milliseconds, and what was said.
 *
 *     node asker.ts DOMAIN COUNT AT_A_TIME
 */
const [domain = "", count = "1000", atATime = "8"] = process.argv.slice(2);
const socket = createSocket("udp4");
const asked = new Map<number, { name: string; at: number }>();
let id = 0;

const now = () => Number(process.hrtime.bigint()) / 1e6;

function ask(): void {
  id = (id + 1) & 0xffff;
  const name = `c${Math.floor(Math.random() * Number(count))}`;
  asked.set(id, { name, at: now() });
  const questions = [{ type: "A" as const, name: `${name}.${domain}` }];
  socket.send(packet.encode({ type: "query", id, flags: 0x100, questions }), 53, "169.254.169.250");
}

socket.on("message", (message) => {
  const until = now();
  const { id, rcode, answers } = packet.decode(message);
  const question = asked.get(id);
  asked.delete(id);
  if (question) console.log([question.name, question.at, until, rcode, ...answers.map(({ data }) => data)].join(" "));
  ask();
});
// One that is lost is asked anew, or the others would get fewer.
setInterval(() => {
  for (const [id, { at }] of asked) {
    if (now() - at < 500) continue;
    asked.delete(id);
    console.log("lost");
    ask();
  }
}, 100);
for (let n = 0; n < Number(atATime); n++) ask();
