import type { CallOptions, ViciConnection } from "./connection.ts";
import { ViciError } from "./error.ts";
import { type Message, text, type Value } from "./message.ts";

type Nothing = Record<string, never>;
type Named = { name: string };
/** Which SAs a command is for: by the name of their configuration, or by charon's own number. */
type Chosen = { ike?: string; child?: string; "ike-id"?: string; "child-id"?: string };
type Load = "load-conn" | "load-authority" | "load-pool";

/** Every command of charon 5.9, with what it takes: all values are text, numbers in decimal, and yes or no. */
export type Commands = {
  version: Nothing;
  stats: Nothing;
  "reload-settings": Nothing;
  /** `timeout` in milliseconds: "0" waits for ever, "-1" not at all. */
  initiate: { ike?: string; child?: string; timeout?: string; "init-limits"?: string; loglevel?: string };
  terminate: Chosen & { force?: string; timeout?: string; loglevel?: string };
  rekey: Chosen & { reauth?: string };
  redirect: { ike?: string; "ike-id"?: string; "peer-ip"?: string; "peer-id"?: string };
  install: { child: string; ike?: string };
  uninstall: { child: string; ike?: string };
  "get-conns": Nothing;
  "get-authorities": Nothing;
  "unload-conn": Named;
  "load-cert": { type: string; flag?: string; data: Value };
  "load-key": { type: string; data: Value };
  "unload-key": { id: string };
  "get-keys": Nothing;
  "load-token": { handle: string; slot?: string; module?: string; pin?: string };
  /** Without owners it is everybody's. */
  "load-shared": { id?: string; type: "IKE" | "EAP" | "XAUTH" | "NTLM"; data: Value; owners?: readonly string[] };
  "unload-shared": { id: string };
  "get-shared": Nothing;
  "flush-certs": { type?: string };
  "clear-creds": Nothing;
  "unload-authority": Named;
  "unload-pool": Named;
  "get-pools": { leases?: string; name?: string };
  "get-algorithms": Nothing;
  /** These two need the plugin `counters`. */
  "get-counters": { name?: string; all?: string };
  "reset-counters": { name?: string; all?: string };
} & { [command in Load]: Message };

/** Commands whose answer is a stream of events, with the event. */
export const streams = {
  "list-sas": "list-sa",
  "list-policies": "list-policy",
  "list-conns": "list-conn",
  "list-certs": "list-cert",
  "list-authorities": "list-authority",
} as const;

export interface Lists {
  "list-sas": Chosen & { noblock?: string };
  "list-policies": { drop?: string; pass?: string; trap?: string; child?: string; ike?: string };
  "list-conns": { ike?: string };
  "list-certs": { type?: string; flag?: string; subject?: string };
  "list-authorities": { name?: string };
}

/** Events that come without having been asked for by a command. */
export type Event = "log" | "ike-updown" | "ike-rekey" | "ike-update" | "child-updown" | "child-rekey";

/** @throws ViciError REFUSED with charon's own words where it says `success = no` */
export async function ask<C extends keyof Commands>(
  connection: Pick<ViciConnection, "request">,
  command: C,
  message: Commands[C],
  options?: CallOptions,
): Promise<Message> {
  const answer = await connection.request(command, message as Message, options);
  if (text(answer, "success") !== "no") return answer;
  throw new ViciError("REFUSED", `Cannot ${command}: charon says: ${text(answer, "errmsg") ?? "no, and not why"}`);
}

/** The events of a streamed command, in charon's order. */
export async function listed<C extends keyof Lists>(
  connection: Pick<ViciConnection, "request">,
  command: C,
  message: Lists[C] = {},
  timeoutMs?: number,
): Promise<Message[]> {
  const found: Message[] = [];
  const stream = { event: streams[command], each: (event: Message) => void found.push(event) };
  await connection.request(command, message as Message, { stream, ...(timeoutMs !== undefined && { timeoutMs }) });
  return found;
}
