import type { Command } from "commander";
import type { IpamAnswer, IpamCheckAnswer, IpamFinding, IpamNetwork } from "../observe/answers.ts";
import { ask } from "./client.ts";
import { CliError, exit } from "./exit.ts";
import { counted, table } from "./table.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

export function addIpam(program: Command): void {
  const ipam = program
    .command("ipam")
    .summary("addresses: how they are used, and whether all is right with them")
    .description("Addresses of containers and agents: who was given which, and whether claims and records agree.");
  ipam
    .command("show")
    .summary("blocks, used and free addresses of each network and host")
    .description(
      "How each network's addresses are used. FREE of a host are those of its blocks that nobody has; BORROWED are addresses\n" +
        "that it holds outside of them, each a route of its own on every host; RESTING are released and not given out yet.",
    )
    .option("--network <name>", "of this network only")
    .option("--json", "print it as data")
    .action(async ({ json, network }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<IpamAnswer>(terminal.socket, `GET /v1/ipam?${queryOf({ network })}`);
      if (json) terminal.json(answer);
      else terminal.print(usageText(answer));
    });
  ipam
    .command("check")
    .summary("whether claims and records agree; exit code 1 where they do not")
    .description(
      "Compares every claim with every record, twice a second apart: what is under way is not amiss. Finds addresses that are\n" +
        "claimed and nobody's (leak), had and not claimed (unclaimed), had by two (double), outside of their network (outside),\n" +
        "claims that are none (malformed), blocks of hosts that are gone (stray-block) or that were never taken (pending-block).",
    )
    .option("--network <name>", "of this network only")
    .option("--repair", "mend what can be mended: not doubles and addresses outside, where somebody has to decide")
    .option("--json", "print it as data")
    .action(async ({ json, network, repair }, command) => {
      const terminal = terminalOf(command);
      const query = queryOf({ network, repair: repair ? "true" : undefined });
      const answer = await ask<IpamCheckAnswer>(terminal.socket, `POST /v1/ipam/check?${query}`);
      if (json) terminal.json(answer);
      else terminal.print(findingsText(answer, terminal));
      const left = answer.findings.filter(({ repaired }) => !repaired);
      if (left.length > 0) throw new CliError(exit.failed, leftText(left));
    });
}

function queryOf(parts: Record<string, string | undefined>): string {
  return new URLSearchParams(
    Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined),
  ).toString();
}

const head = ["NETWORK", "HOST", "BLOCKS", "USED", "FREE", "BORROWED", "RESTING"];

function usageText({ networks }: IpamAnswer): string {
  return networks.length > 0 ? table(head, networks.flatMap(rowsOf)) : "no networks: put one at networks/NAME";
}

function rowsOf({ network, cidr, size, hosts, ...total }: IpamNetwork): string[][] {
  const row = (
    name: string,
    host: string,
    blocks: string,
    counts: Omit<IpamNetwork["hosts"][number], "host" | "blocks">,
  ) => [name, host, blocks, ...[counts.used, counts.free, counts.borrowed, counts.resting].map(String)];
  return [
    row(network, "all", `${total.blocks} of ${cidr}, ${size} addresses`, total),
    ...hosts.map((host) => row("", host.host, blocksText(host.blocks), host)),
  ];
}

/** A host that filled a hundred blocks would fill the screen. */
function blocksText(blocks: readonly string[]): string {
  if (blocks.length === 0) return "-";
  return blocks.length > 3 ? `${blocks.slice(0, 3).join(" ")} and ${blocks.length - 3} more` : blocks.join(" ");
}

function findingsText({ findings }: IpamCheckAnswer, { paint }: Pick<Terminal, "paint">): string {
  if (findings.length === 0) return "Nothing is amiss: every address has one owner, and every claim its record.";
  const rows = findings.map(({ type, network, key, reason, repaired }) => [
    network,
    type,
    key,
    reason,
    repaired ? paint("green", "yes") : paint("red", "no"),
  ]);
  return table(["NETWORK", "WHAT", "WHERE", "WHY", "REPAIRED"], rows);
}

function leftText(left: readonly IpamFinding[]): string {
  return `Cannot call addresses right: expected claims and records to agree, got ${counted(left.length, "fault")}`;
}
