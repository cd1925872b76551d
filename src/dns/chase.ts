import type { Forwarder } from "./forward.ts";
import { classIn, ednsSize, flag, headerSize, optSize, type Rcode, rcode, type } from "./protocol.ts";
import type { Query } from "./query.ts";
import { emptyAnswer, Response, type Transport } from "./response.ts";

interface Foreign {
  owner: string;
  type: number;
  ttl: number;
  data: Buffer;
  /** The name in the data of a CNAME. */
  target?: string;
}

/** Records whose data may hold compressed names (RFC 3597, 4): of no use out of their message. */
const compressed = new Set<number>([type.NS, type.SOA, type.PTR, 15]);
/** Names in answers are shorter than this many jumps, or lead in a circle. */
const mostJumps = 32;

/**
 * An alias that leads out of the network: asks the upstreams for its target and answers with all of it, since a client's
 * resolver does not follow aliases by itself.
 */
export async function chase(
  query: Query,
  aliases: readonly string[],
  transport: Transport,
  ttl: number,
  ask: (message: Buffer, end: number) => ReturnType<Forwarder["ask"]>,
): Promise<Buffer> {
  const { message, end } = questionFor(aliases.at(-1) as string, query.type);
  const answer = await ask(message, end);
  if (answer === undefined) return emptyAnswer(query, rcode.SERVFAIL, flag.RA);
  const response = new Response(query, transport);
  for (const [at, alias] of aliases.entries()) response.named("CNAME", ttl, alias, aliases[at - 1]);
  for (const record of foreignRecords(answer, end)) {
    if (record.target !== undefined) response.named("CNAME", record.ttl, record.target, record.owner);
    else if (!compressed.has(record.type)) response.foreign(record.owner, record.type, record.ttl, record.data);
  }
  return response.finish(((answer[3] as number) & 15) as Rcode, flag.RA);
}

function questionFor(name: string, wanted: number): { message: Buffer; end: number } {
  const labels = name.split(".").map((label) => Buffer.from(label, "latin1"));
  const parts = labels.flatMap((label) => [Buffer.from([label.length]), label]);
  const tail = Buffer.alloc(5 + optSize);
  tail.writeUInt16BE(wanted, 1);
  tail.writeUInt16BE(classIn, 3);
  tail.writeUInt16BE(type.OPT, 6);
  tail.writeUInt16BE(ednsSize, 8);
  const header = Buffer.alloc(headerSize);
  header.writeUInt16BE(flag.RD, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(1, 10);
  const message = Buffer.concat([header, ...parts, tail]);
  return { message, end: message.length - optSize };
}

/** The answer section, as far as it can be read. */
export function* foreignRecords(message: Buffer, from: number): Generator<Foreign> {
  let at = from;
  for (let left = message.readUInt16BE(6); left > 0; left--) {
    const owner = readName(message, at);
    if (owner === undefined || owner.end + 10 > message.length) return;
    const begin = owner.end + 10;
    at = begin + message.readUInt16BE(owner.end + 8);
    if (at > message.length) return;
    const code = message.readUInt16BE(owner.end);
    const target = code === type.CNAME ? readName(message, begin) : undefined;
    if (code === type.CNAME && target === undefined) return;
    yield {
      owner: owner.name,
      type: code,
      ttl: message.readUInt32BE(owner.end + 4),
      data: message.subarray(begin, at),
      ...(target && { target: target.name }),
    };
  }
}

function readName(message: Buffer, from: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let end: number | undefined;
  let length = 0;
  let jumps = 0;
  for (let at = from; ; ) {
    const size = message[at];
    if (size === undefined) return undefined;
    if (size >= 0xc0) {
      if (at + 2 > message.length || ++jumps > mostJumps) return undefined;
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      continue;
    }
    if (size === 0) return { name: labels.join("."), end: end ?? at + 1 };
    length += size + 1;
    if (size > 63 || length > 254 || at + 1 + size > message.length) return undefined;
    const label = message.toString("latin1", at + 1, at + 1 + size);
    // A name of ours is put together by dots.
    if (label.includes(".")) return undefined;
    labels.push(label);
    at += 1 + size;
  }
}
