import { setPriority } from "node:os";
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { createForwarder } from "./forward.ts";
import { ownPrecedence } from "./precedence.ts";
import { createServer } from "./server.ts";
import type { ThreadNews, ThreadOptions } from "./thread.ts";
import { hostUpstreams } from "./upstreams.ts";

/**
 * The thread that answers for names. The agent's own may be busy for tens of milliseconds with what etcd tells; no
 * question waits for that. And yet no answer is older than what that thread knew when the question was read: it counts
 * what it tells in shared memory, and what is counted and not yet heard is fetched first.
 */
const { port, told, resolvConf } = workerData as ThreadOptions;
const count = new Int32Array(told);
let heard = 0;

const server = createServer({
  forwarder: createForwarder(),
  upstreams: hostUpstreams(resolvConf, () => performance.now()),
  catchUp,
});

try {
  // This thread's alone, and for when it may not go first: answers are short, and clients wait for them; the agent's own
  // work is long, and none does.
  setPriority(-10);
} catch {
  // Only root may: without it answers wait their turn on a busy host.
}
const precedence = ownPrecedence();

port.on("message", hear);

function catchUp(): void {
  precedence.review();
  while (heard !== Atomics.load(count, 0)) {
    const next = receiveMessageOnPort(port);
    if (next === undefined) return;
    hear(next.message);
  }
}

function hear(batch: ThreadNews): void {
  precedence.review();
  heard = (heard + 1) | 0;
  if (batch === "end") {
    server.close();
    port.close();
    return;
  }
  for (const news of batch) server.take(news);
}
