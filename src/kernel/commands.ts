import type { MessagePort } from "node:worker_threads";
import type { Scope } from "../desired/rows.ts";
import type { Ip } from "../model/address.ts";
import type { Failure } from "../reconcile/kind.ts";
import type { Answer, BatchOptions, BatchReply, KernelEvent, NftReply, RequestProtocol, Trial } from "./kernel.ts";

/** What each command takes and gives, between the main thread and the Worker. */
export interface Commands {
  batch: {
    takes: { scope: Scope; messages: Uint8Array<ArrayBuffer> } & Required<BatchOptions>;
    gives: Answer<BatchReply>;
  };
  dump: {
    takes: { scope: Scope; request: Uint8Array<ArrayBuffer>; protocol: RequestProtocol };
    gives: Answer<Uint8Array>;
  };
  nft: { takes: { scope: Scope; commands: string; json: boolean }; gives: Answer<NftReply> };
  nftElements: { takes: { scope: Scope; transaction: Uint8Array<ArrayBuffer> }; gives: Answer<number> };
  readSysctls: { takes: { scope: Scope; names: readonly string[] }; gives: Answer<(string | undefined)[]> };
  writeSysctls: {
    takes: { scope: Scope; settings: readonly (readonly [string, string])[] };
    gives: Answer<(Failure | undefined)[]>;
  };
  openSocket: {
    takes: { scope: Scope; transport: "udp" | "tcp"; address: Ip; port: number };
    gives: Answer<number>;
  };
  createNamespace: { takes: { name: string }; gives: Answer<void> };
  deleteNamespace: { takes: { name: string }; gives: Answer<void> };
  listNamespaces: { takes: Record<never, never>; gives: string[] };
  probe: { takes: { trials: readonly Trial[] }; gives: Answer<(string | undefined)[]> };
  forget: { takes: { scope: Scope }; gives: undefined };
}

export type CommandName = keyof Commands;

export type Command = { [N in CommandName]: { id: number; name: N; args: Commands[N]["takes"] } }[CommandName];

/** One post of the Worker: what happened first, then the answers it happened before. */
export interface Post {
  events: KernelEvent[];
  answers: CommandAnswer[];
}

export type CommandAnswer = { id: number; value: unknown } | { id: number; error: Error };

export interface WorkerOptions {
  port: MessagePort;
  /** One word; 1 tells the Worker to end. */
  stop: SharedArrayBuffer;
  namespaceDirectories: readonly string[];
  eventBufferBytes: number;
}
