import { type Command, InvalidArgumentError } from "commander";
import type { WaitAnswer } from "../observe/answers.ts";
import { duration } from "../observe/duration.ts";
import { oneLine } from "../observe/one-line.ts";
import { seconds } from "./arguments.ts";
import { ask } from "./client.ts";
import { CliError, exit } from "./exit.ts";
import { counted, table } from "./table.ts";
import { terminalOf } from "./terminal.ts";

export function addWait(program: Command): void {
  program
    .command("wait")
    .summary("return when every host of a network has converged to a revision")
    .description(
      "Returns when every host of the network has converged to the revision: its kernel holds what the records said then.\n" +
        `Exits with ${exit.unconverged} and a table of the hosts where that takes longer than the timeout.`,
    )
    .requiredOption("--network <name>", "the network to wait for")
    .option("--revision <number>", "etcd's revision, as etcdctl prints it with -w json; or now", revision, "now")
    .option("--timeout <duration>", "give up after so long", seconds, 30)
    .option("--json", "print the outcome as data")
    .action(async ({ network, revision, timeout, json }, command) => {
      const { socket, json: printJson, print } = terminalOf(command);
      const query = new URLSearchParams({ network, revision, timeout: String(timeout) });
      const answer = await ask<WaitAnswer>(socket, `GET /v1/wait?${query}`);
      if (json) printJson(answer);
      else if (answer.converged) print(convergedText(answer));
      else print(waitTable(answer));
      for (const line of json ? [] : tunnelLines(answer)) print(line);
      if (!answer.converged) throw new CliError(exit.unconverged, lateText(answer));
    });
}

function revision(text: string): string {
  if (text === "now" || /^(?:0|[1-9]\d{0,18})$/.test(text)) return text;
  throw new InvalidArgumentError("Expected a revision such as 1042, or now.");
}

function convergedText({ network, hosts, revision, tookMs }: WaitAnswer): string {
  return `${network}: ${counted(hosts.length, "host")} converged to revision ${revision} in ${duration(tookMs)}`;
}

/** Rows are in place, yet nothing passes: that is worth a word, and no reason to wait for ever. */
function tunnelLines({ hosts }: WaitAnswer): string[] {
  return hosts.flatMap(({ host, tunnels }) => {
    if (!tunnels || tunnels.up >= tunnels.wanted) return [];
    return `${host}: ${tunnels.wanted - tunnels.up} of ${counted(tunnels.wanted, "tunnel")} not up${tunnels.why ? `, ${oneLine(tunnels.why)}` : ""}`;
  });
}

function lateText({ network, hosts, revision, tookMs }: WaitAnswer): string {
  const late = hosts.filter((host) => !isThere(host, revision));
  const names = late.slice(0, 5).map(({ host, alive }) => (alive ? host : `${host} (its agent is not alive)`));
  const rest = late.length > 5 ? ` and ${late.length - 5} more` : "";
  return (
    `Cannot call ${network} converged: expected every host at revision ${revision} within ${duration(tookMs)}, ` +
    `got ${late.length} of ${counted(hosts.length, "host")} behind${names.length > 0 ? `: ${names.join(", ")}${rest}` : ""}`
  );
}

function waitTable({ hosts, revision }: WaitAnswer): string {
  const rows = hosts.map((host) => [
    host.host,
    isThere(host, revision) ? "yes" : "no",
    host.converged ?? "-",
    host.alive ? "yes" : "no",
    String(host.waiting),
    host.failed[0] ?? "",
  ]);
  return table(["HOST", "THERE", "CONVERGED", "ALIVE", "FAILED", "FIRST FAILURE"], rows);
}

function isThere({ converged }: WaitAnswer["hosts"][number], revision: string): boolean {
  return converged !== undefined && BigInt(converged) >= BigInt(revision);
}
