import { randomInt } from "node:crypto";
import { byTcp, byUdp } from "./exchange.ts";
import { flag } from "./protocol.ts";
import { isFailure, type Transport } from "./response.ts";
import type { Upstream } from "./upstreams.ts";

export interface ForwardOptions {
  /** Questions under way; more are failures at once. */
  mostInFlight?: number;
  /** Milliseconds that one server has for itself before the next is asked, too. */
  patienceMs?: number;
  /** Milliseconds until an answer is a failure: less than the five that clients wait. */
  deadlineMs?: number;
}

/** Asks others. Nothing is kept: neither answers, whose age the upstreams know, nor failures. */
export interface Forwarder {
  /**
   * The first good answer of any of them, else a failure that one told, else undefined. The answer carries the
   * question's own number again.
   *
   * @param end where the question ends in `message`
   * @param transport of the client: one that came by TCP is given what no datagram holds
   */
  ask(message: Buffer, end: number, upstreams: readonly Upstream[], transport: Transport): Promise<Buffer | undefined>;
}

export function createForwarder({
  mostInFlight = 1000,
  patienceMs = 250,
  deadlineMs = 4000,
}: ForwardOptions = {}): Forwarder {
  let inFlight = 0;
  /** Who answered last is asked first. */
  let preferred: string | undefined;

  async function ask(message: Buffer, end: number, upstreams: readonly Upstream[], transport: Transport) {
    if (inFlight >= mostInFlight || upstreams.length === 0) return undefined;
    inFlight++;
    const question = Buffer.from(message);
    // Another number towards every upstream set: the client's is known to whoever watches the client.
    question.writeUInt16BE(randomInt(0x10000), 0);
    try {
      const answer = await race(question, end, ordered(upstreams), transport);
      if (answer === undefined) return undefined;
      const given = Buffer.from(answer);
      message.copy(given, 0, 0, 2);
      return given;
    } finally {
      inFlight--;
    }
  }

  function ordered(upstreams: readonly Upstream[]): readonly Upstream[] {
    const first = upstreams.find(({ address }) => address === preferred);
    return first ? [first, ...upstreams.filter((each) => each !== first)] : upstreams;
  }

  function race(message: Buffer, end: number, upstreams: readonly Upstream[], transport: Transport) {
    const over = new AbortController();
    return new Promise<Buffer | undefined>((resolve) => {
      let failure: Buffer | undefined;
      let asked = 0;
      let underWay = 0;
      const deadline = setTimeout(() => finish(failure), deadlineMs);
      let patience: NodeJS.Timeout | undefined;

      function finish(answer: Buffer | undefined) {
        clearTimeout(deadline);
        clearTimeout(patience);
        over.abort();
        resolve(answer);
      }

      function askNext() {
        clearTimeout(patience);
        const upstream = upstreams[asked++];
        if (upstream === undefined) {
          if (underWay === 0) finish(failure);
          return;
        }
        underWay++;
        patience = setTimeout(askNext, patienceMs);
        exchange(upstream, message, end, transport, over.signal).then(
          (answer) => {
            underWay--;
            if (over.signal.aborted) return;
            if (isFailure(answer)) {
              failure = answer;
              askNext();
              return;
            }
            preferred = upstream.address;
            finish(answer);
          },
          () => {
            underWay--;
            if (!over.signal.aborted) askNext();
          },
        );
      }

      askNext();
    });
  }

  return { ask };
}

async function exchange(
  upstream: Upstream,
  message: Buffer,
  end: number,
  transport: Transport,
  signal: AbortSignal,
): Promise<Buffer> {
  const answer = await byUdp(upstream, message, end, signal);
  const isTruncated = (answer.readUInt16BE(2) & flag.TC) !== 0;
  return isTruncated && transport === "tcp" ? byTcp(upstream, message, end, signal) : answer;
}
