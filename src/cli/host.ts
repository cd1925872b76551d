import type { Command } from "commander";
import type { HostRemoveAnswer } from "../observe/answers.ts";
import { ask } from "./client.ts";
import { counted } from "./table.ts";
import { terminalOf } from "./terminal.ts";

export function addHost(program: Command): void {
  const host = program.command("host").summary("remove a host that is gone").description("Hosts of the installation.");
  host
    .command("remove")
    .argument("<name>", "the host")
    .summary("remove a host that is gone for good, with its containers' records and addresses")
    .description(
      "Removes the records of a host that will not come back: its containers, its addresses, which rest and are then given out\n" +
        "again, its blocks and memberships. Refused while its agent is alive: on the host itself, `skein leave` does more.",
    )
    .option("--force", "even though its agent is alive")
    .option("--json", "print the counts as data")
    .action(async (name: string, { force, json }, command) => {
      const terminal = terminalOf(command);
      const query = new URLSearchParams({ host: name, ...(force && { force: "true" }) });
      const answer = await ask<HostRemoveAnswer>(terminal.socket, `POST /v1/hosts/remove?${query}`);
      if (json) terminal.json(answer);
      else terminal.print(removedText(answer));
    });
}

function removedText({ host, containers, addresses, blocks, networks }: HostRemoveAnswer): string {
  const parts = [
    counted(containers, "container"),
    addresses === 1 ? "1 address" : `${addresses} addresses`,
    counted(blocks, "block"),
    counted(networks, "membership"),
  ];
  return `Removed ${host}: ${parts.join(", ")}.`;
}
