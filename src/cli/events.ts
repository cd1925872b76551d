import type { Command } from "commander";
import type { EventLine } from "../observe/event-schema.ts";
import { count } from "./arguments.ts";
import { follow } from "./client.ts";
import { eventText } from "./event-text.ts";
import { CliError, exit } from "./exit.ts";
import { terminalOf } from "./terminal.ts";

export function addEvents(program: Command): void {
  program
    .command("events")
    .summary("what happens on this host, as it happens")
    .description(
      "What happens on this host, as it happens: every row added (+), replaced (~), removed (-), failed (!), found changed by\n" +
        "somebody (?) and repaired, with the record and revision that caused it and the milliseconds since. Ends with the agent.",
    )
    .option("--json", "print JSON lines, as in schemas/event.schema.json")
    .option("--recent <count>", "begin with the last events, the agent keeps 2000", count, 0)
    .option("--no-follow", "end after those")
    .action(async ({ json, recent, follow: on }, command) => {
      const { socket, print, paint } = terminalOf(command);
      for await (const line of follow(socket, `GET /v1/events?recent=${recent}&follow=${on}`)) {
        if (json) {
          print(line);
          continue;
        }
        const { colour, text } = eventText(JSON.parse(line) as EventLine);
        print(colour ? paint(colour, text) : text);
      }
      if (on) throw new CliError(exit.unreachable, "Cannot follow on: expected the agent to go on, it has ended");
    });
}
