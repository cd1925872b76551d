import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { mark } from "../../desired/rows.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { ForwardingFound, Read } from "../found.ts";
import { numberOf, reasonOf, textOf } from "./text.ts";

type Rules = Omit<ForwardingFound, "ipForward">;

export async function findForwarding(kernel: Kernel): Promise<Read<ForwardingFound>> {
  try {
    const answer = await kernel.nft("host", "list ruleset", { json: true });
    if (!answer.ok) return { unread: answer.failure.message };
    if (answer.value.status !== 0) return { unread: `nft: ${answer.value.error.trim()}` };
    const rules = join(rulesOfNft(answer.value.output), await legacyRules());
    return { ...rules, ipForward: numberOf("/proc/sys/net/ipv4/ip_forward") === 1 };
  } catch (cause) {
    return { unread: reasonOf(cause) };
  }
}

interface NftChain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

/** @param json what `nft --json list ruleset` prints */
export function rulesOfNft(json: string): Rules {
  const { nftables = [] } = JSON.parse(json || "{}") as { nftables?: { chain?: NftChain; rule?: NftChain }[] };
  const chains = nftables.flatMap(({ chain }) => chain ?? []).filter(({ table }) => table !== mark.table);
  const rules = nftables.flatMap(({ rule }) => rule ?? []).filter(({ table }) => table !== mark.table);
  return {
    dropping: chains
      .filter(({ family, hook, policy }) => family !== "bridge" && hook === "forward" && policy === "drop")
      .map(({ family, table, name }) => `${family} ${table} ${name}`),
    accepts: rules.some((rule) => JSON.stringify(rule).includes('"sku-')),
    dockerUser: chains.some(({ name }) => name === "DOCKER-USER"),
  };
}

/** Rules of the old kernel interface, which nft does not show. */
async function legacyRules(): Promise<Rules> {
  const none: Rules = { dropping: [], accepts: false, dockerUser: false };
  if (!(textOf("/proc/net/ip_tables_names") ?? "").split("\n").includes("filter")) return none;
  if (!existsSync("/usr/sbin/iptables-legacy")) return none;
  const { stdout } = await promisify(execFile)("/usr/sbin/iptables-legacy", ["-S"], { timeout: 5_000 });
  return rulesOfIptables(stdout);
}

/** @param text what `iptables -S` prints */
export function rulesOfIptables(text: string): Rules {
  const lines = text.split("\n");
  return {
    dropping: lines.includes("-P FORWARD DROP") ? ["ip filter FORWARD"] : [],
    accepts: lines.some((line) => / -i sku-\S* .*-j ACCEPT/.test(line)),
    dockerUser: lines.includes("-N DOCKER-USER"),
  };
}

function join(a: Rules, b: Rules): Rules {
  return {
    dropping: [...new Set([...a.dropping, ...b.dropping])],
    accepts: a.accepts || b.accepts,
    dockerUser: a.dockerUser || b.dockerUser,
  };
}
