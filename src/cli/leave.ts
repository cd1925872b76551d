import type { Command } from "commander";
import type { LeaveAnswer, ReleaseAnswer } from "../observe/answers.ts";
import { ask } from "./client.ts";
import { counted } from "./table.ts";
import { terminalOf } from "./terminal.ts";

export function addRelease(program: Command): void {
  program
    .command("release")
    .summary("do the removals that the brake holds back")
    .description(
      "Does the removals that are held back. Where most of a host's rows would go without their records' deletion having been\n" +
        "seen (an etcd that was emptied, or put back to an old state), the agent holds them; `skein plan` lists them.",
    )
    .option("--json", "print the count as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<ReleaseAnswer>(terminal.socket, "POST /v1/release");
      if (json) terminal.json(answer);
      else if (answer.removals === 0) terminal.print("Nothing was held back.");
      else terminal.print(`Released: ${counted(answer.removals, "row")} to remove.`);
    });
}

export function addLeave(program: Command): void {
  program
    .command("leave")
    .summary("take everything of Skein's off this host, rows and records, and end the agent")
    .description(
      "Takes every row of ours off this host's kernel and this host's records out of etcd, then ends the agent. Containers of\n" +
        "this host lose their network. Records that users wrote stay: started again, the agent puts all back.",
    )
    .option("--json", "print the outcome as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<LeaveAnswer>(terminal.socket, "POST /v1/leave");
      if (json) terminal.json(answer);
      else terminal.print("Left: no row and no record of this host's agent remains, and it ends.");
    });
}
