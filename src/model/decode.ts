import type { z } from "zod";
import { overlaps } from "./address.ts";
import { type Block, blockPrefix, blockSchema } from "./block.ts";
import { type Container, containerSchema } from "./container.ts";
import { type Host, hostSchema } from "./host.ts";
import { type KeyPath, parseKey } from "./keys.ts";
import { type Member, memberSchema } from "./member.ts";
import { type Network, networkSchema, unusable } from "./network.ts";

type At<T extends KeyPath["type"]> = Extract<KeyPath, { type: T }>;

/** A record of the world: where it stands and what it says. */
export type Decoded =
  | { path: At<"network">; value: Network }
  | { path: At<"host">; value: Host }
  | { path: At<"member">; value: Member }
  | { path: At<"container">; value: Container }
  | { path: At<"block">; value: Block };

export type Rejection = { code: "KEY" | "SIZE" | "JSON" | "SHAPE"; reason: string };

/** Bytes. The largest sensible record is a network naming some thousand hosts; etcd itself would allow 1.5 MB. */
const maxSize = 256 * 1024;

/**
 * What a key and its value say. `undefined` for keys that are none of the world's (liveness, beacons, status); a
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
  if (!parsed.success) return reject("SHAPE", parsed.error.issues.slice(0, 3).map(describe).join("; "));
  const decoded = { path, value: parsed.data } as Decoded;
  const odd = oddity(decoded);
  return odd === undefined ? decoded : reject("SHAPE", odd);
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
    case "alive":
    case "beacon":
    case "status":
      return undefined;
  }
}

/** What no schema can say: relations between key and value, and ranges. */
function oddity({ path, value }: Decoded): string | undefined {
  if (path.type === "block" && blockPrefix(path.block) === undefined)
    return `Cannot read block: expected a key such as 10.42.64.64-26, got "${path.block}"`;
  if (path.type !== "network") return undefined;
  const { cidr } = value as Network;
  if (Number(cidr.split("/")[1]) > 28)
    return `Cannot use cidr ${cidr}: expected a /28 or larger, for gateway, agents and containers`;
  if (Number(cidr.split("/")[1]) < 8)
    return `Cannot use cidr ${cidr}: expected a /8 or smaller, a larger one covers others' routes`;
  const taken = unusable.find(([prefix]) => overlaps(prefix, cidr));
  return taken && `Cannot use cidr ${cidr}: ${taken[0]} is ${taken[1]}`;
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

function describe(issue: z.core.$ZodIssue): string {
  return printable(`${issue.path.map(String).join(".") || "record"}: ${issue.message}`);
}

/** Safe in a terminal and in a log: control characters escaped, length bounded. */
export function printable(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return safe.length > 200 ? `${safe.slice(0, 200)}…` : safe;
}
