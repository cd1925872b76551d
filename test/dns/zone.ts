import { createRequire } from "node:module";
import { answer, type Context, type Verdict } from "../../src/dns/answer.ts";
import type { Named, ZoneSettings } from "../../src/dns/facts.ts";
import { indexOf } from "../../src/dns/owners.ts";
import { Zone } from "../../src/dns/zone.ts";
import { ip } from "../../src/model/address.ts";
import { type Service, serviceSchema } from "../../src/model/service.ts";

/** An independent codec of the protocol: what ours writes, it reads, and the other way round. */
export const packet = createRequire(import.meta.url)("dns-packet") as Codec;

interface Codec {
  encode(message: object): Buffer;
  decode(message: Buffer): Decoded;
}

export interface Decoded {
  id: number;
  rcode: string;
  flag_aa: boolean;
  flag_tc: boolean;
  flag_ra: boolean;
  flag_rd: boolean;
  questions: { name: string; type: string }[];
  answers: DecodedRecord[];
  authorities: DecodedRecord[];
  additionals: DecodedRecord[];
}

export interface DecodedRecord {
  name: string;
  type: string;
  ttl: number;
  data: unknown;
}

const defaults: ZoneSettings = {
  domain: "rancher.internal",
  cidr: "10.42.0.0/16",
  ttl: 1,
  whenUnhealthy: "empty",
};

/** A zone from addresses and their owners, and services by `<stack>/<service>`. */
export function zoneOf(
  owners: Record<string, Named>,
  services: Record<string, unknown> = {},
  settings: Partial<ZoneSettings> = {},
): Zone {
  const zone = new Zone({ ...defaults, ...settings });
  for (const [address, owner] of Object.entries(owners)) zone.own(indexOf(ip(address)), owner);
  for (const [name, record] of Object.entries(services)) {
    const [stack, service] = name.split("/") as [string, string];
    zone.declare(stack, service, serviceSchema.parse(record) as Service);
  }
  return zone;
}

export function contextOf(zone: Zone, more: Partial<Context> = {}): Context {
  return { zone, domains: new Set(), transport: "udp", random: () => 0, ...more };
}

export function queryOf(name: string, type = "A", more: object = {}): Buffer {
  return packet.encode({ type: "query", id: 7, flags: 0x100, questions: [{ name, type }], ...more });
}

export function ask(zone: Zone, name: string, type = "A", more: Partial<Context> = {}): Verdict {
  return answer(queryOf(name, type), contextOf(zone, more));
}

export function decoded(verdict: Verdict): Decoded {
  if (verdict.type !== "reply") throw new Error(`Cannot decode: expected a reply, got ${verdict.type}`);
  return packet.decode(verdict.message);
}

/** `NOERROR 10.42.0.2 10.42.0.3`, with `SOA` where there is one; what is not answered here by its verdict. */
export function said(verdict: Verdict): string {
  if (verdict.type === "chase") return `chase ${verdict.aliases.join(" ")}`;
  if (verdict.type !== "reply") return verdict.type;
  const { rcode, answers, authorities } = packet.decode(verdict.message);
  return [rcode, ...answers.map(textOf), ...authorities.map(({ type, name }) => `${type} ${name}`)].join(" ");
}

function textOf({ type, data, name }: DecodedRecord): string {
  if (type === "A") return String(data);
  if (type === "SRV") {
    const { port, target } = data as { port: number; target: string };
    return `SRV ${port} ${target}`;
  }
  if (type === "HINFO") return `HINFO ${(data as { cpu: string }).cpu}`;
  if (type === "SOA") return `SOA ${name}`;
  return `${type} ${data}`;
}
