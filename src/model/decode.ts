import type { z } from "zod";
import { type Block, blockSchema } from "./block.ts";
import { type Container, containerSchema } from "./container.ts";
import { type Host, hostSchema } from "./host.ts";
import { type KeyPath, parseKey, type RecordKey } from "./keys.ts";
import { type Member, memberSchema } from "./member.ts";
import { type Network, networkSchema } from "./network.ts";
import { oddity } from "./oddity.ts";
import { reasonOf } from "./reason.ts";
import { type Service, serviceSchema } from "./service.ts";

type At<T extends KeyPath["type"]> = Extract<KeyPath, { type: T }>;

/** A record of the world: where it stands and what it says. */
export type Decoded = { key: RecordKey } & (
  | { path: At<"network">; value: Network }
  | { path: At<"host">; value: Host }
  | { path: At<"member">; value: Member }
  | { path: At<"container">; value: Container }
  | { path: At<"block">; value: Block }
  | { path: At<"service">; value: Service }
);

export type Rejection = { code: "KEY" | "SIZE" | "JSON" | "SHAPE"; reason: string };

/** Bytes. The largest sensible record is a network naming some thousand hosts; etcd itself would allow 1.5 MB. */
const maxSize = 256 * 1024;

/**
 * What a key and its value say. `undefined` for keys that are none of the world's (liveness, beacons, claims, status); a
 * rejection, with a reason for people, for what is no record. Never throws: records are hostile until decoded.
 */
export function decode(key: string, value: Uint8Array): Decoded | { rejected: Rejection } | undefined {
  const path = parseKey(key);
  if (path === undefined)
    return reject("KEY", `Cannot place key: expected one of the documented keys, got "${printable(key)}"`);
  const schema = schemaOf(path);
  if (schema === undefined) return undefined;
  if (value.byteLength > maxSize)
    return reject("SIZE", `Cannot read record: expected at most ${maxSize} bytes, got ${value.byteLength}`);
  const json = parseJson(value);
  if (json instanceof Error) return reject("JSON", `Cannot read record: expected JSON, got ${json.message}`);
  const parsed = schema.safeParse(json);
  if (!parsed.success) return reject("SHAPE", printable(`Cannot read record: ${reasonOf(parsed.error, json)}`, 800));
  // The key itself, not its parts put together again: in a large world that is a string less a record.
  const decoded = { key: key as RecordKey, path, value: parsed.data } as Decoded;
  const odd = oddity(decoded);
  return odd === undefined ? decoded : reject("SHAPE", `Cannot read record: ${odd}`);
}

function schemaOf(path: KeyPath): z.ZodType | undefined {
  switch (path.type) {
    case "network":
      return networkSchema;
    case "host":
      return hostSchema;
    case "member":
      return memberSchema;
    case "container":
      return containerSchema;
    case "block":
      return blockSchema;
    case "service":
      return serviceSchema;
    case "alive":
    case "beacon":
    case "claim":
    case "leader":
    case "status":
      return undefined;
  }
}

function reject(code: Rejection["code"], reason: string): { rejected: Rejection } {
  return { rejected: { code, reason } };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function parseJson(value: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(value));
  } catch (cause) {
    return new Error(printable(cause instanceof Error ? cause.message : String(cause)), { cause });
  }
}

/** Safe in a terminal and in a log: control characters escaped, length bounded. */
export function printable(text: string, longest = 200): string {
  const safe = text.slice(0, longest).replace(/[^\x20-\x7e]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return text.length > longest ? `${safe}...` : safe;
}
