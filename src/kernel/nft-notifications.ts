import { mark, type Nft } from "../desired/rows.ts";
import { MessageReader } from "./netlink/reader.ts";

/** A transaction as the kernel tells of it: which thread made it, and what it did to our tables, in order. */
export interface NftTransaction {
  /** Name of the thread, as in /proc/<pid>/comm. */
  by: string;
  /** Whether anything in a table of ours changed. */
  touchesOurs: boolean;
  /** Tables of ours that were made dormant. */
  asleep: readonly Nft["family"][];
  /** Rules of our tables that came and went. */
  rules: readonly { change: "added" | "deleted"; chain: string; handle: number }[];
}

/** nfnetlink.h, nf_tables.h: a message's type is the subsystem and what happened; attribute 1 is the table of them all. */
const subsystem = 10 << 8;
const newTable = subsystem | 0;
const newRule = subsystem | 6;
const deleteRule = subsystem | 8;
const newGeneration = subsystem | 15;
const tableName = 1;
const tableFlags = 2;
const ruleChain = 2;
const ruleHandle = 3;
const generationThread = 3;
/** struct nfgenmsg: family 1, version 1, resource id 2. */
const headerBytes = 4;
const families: Readonly<Record<number, Nft["family"]>> = { 1: "inet", 7: "bridge" };

/**
 * Reads notifications of the group NFNLGRP_NFTABLES, which end each transaction with its generation. One reader a
 * socket: a transaction may be spread over several calls.
 */
export function notificationReader(): (bytes: Uint8Array) => NftTransaction[] {
  let current = nothing();
  return (bytes) => {
    const ended: NftTransaction[] = [];
    const message = new MessageReader(bytes);
    while (message.next()) {
      const { type } = message;
      const attributes = message.attributes(headerBytes);
      const family = families[message.u8(0)];
      if (type === newGeneration) {
        ended.push({ ...current, by: attributes.text(generationThread) ?? "" });
        current = nothing();
      } else if (family !== undefined && attributes.text(tableName) === mark.table) {
        current.touchesOurs = true;
        if (type === newTable && attributes.u32(tableFlags)) current.asleep.push(family);
        if (type !== newRule && type !== deleteRule) continue;
        current.rules.push({
          change: type === newRule ? "added" : "deleted",
          chain: `${family} chain ${attributes.text(ruleChain)}`,
          handle: Number(attributes.u64(ruleHandle)),
        });
      }
    }
    return ended;
  };
}

function nothing() {
  return { touchesOurs: false, asleep: [] as Nft["family"][], rules: [] as NftTransaction["rules"][number][] };
}
