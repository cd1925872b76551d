import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import type { AgentFound } from "../doctor/found.ts";
import type { NetworksAnswer, StatusAnswer } from "../observe/answers.ts";
import { type Flags, readConfigOf } from "./agent.ts";
import { list } from "./arguments.ts";
import { ask } from "./client.ts";
import { doctorText, faultText } from "./doctor-text.ts";
import { CliError, exit } from "./exit.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

/** Where `deploy/install.sh` puts it. */
const installedConfig = "/etc/skein/agent.json";

export function addDoctor(program: Command): void {
  const flag = (flags: string, description: string, variable: string) =>
    new Option(flags, description).env(`SKEIN_${variable}`);
  program
    .command("doctor")
    .summary("whether this host has what Skein needs, and what to do where it has not")
    .description(
      "Looks at all that Skein needs of this host: kernel, charon, ports, MTU, firewall, tables, etcd, clock, keys. Each thing\n" +
        "with what was expected, what was found and a remedy. Works with and without an agent; changes nothing, but that the\n" +
        `kernel loads modules. Exits with ${exit.failed} where something is wrong; warnings are none.`,
    )
    .addOption(flag("--config <file>", `the agent's configuration (default: ${installedConfig}, if there)`, "CONFIG"))
    .addOption(flag("--etcd <url,...>", "where etcd is (default: where the agent has it)", "ETCD").argParser(list))
    .addOption(flag("--underlay <device|address>", "what carries traffic between hosts (default: as etcd)", "UNDERLAY"))
    .addOption(flag("--state <directory>", "what outlives restarts (default: as etcd)", "STATE"))
    .addOption(flag("--vici <socket>", "where charon takes commands (default: /run/skein/charon.vici)", "VICI"))
    .option("--json", "print every check as data")
    .action(async ({ json }, command: Command) => {
      const terminal = terminalOf(command);
      const agent = await findAgent(terminal.socket);
      const config = await readConfigOf(settingsBeside(agent, command.optsWithGlobals()));
      const { examine } = await import("../doctor/examine.ts");
      const report = await examine({ agent, config });
      if (json) terminal.json(report);
      else terminal.print(doctorText(report, terminal));
      if (!report.healthy) throw new CliError(exit.failed, faultText(report));
    });
}

/** What the file does not say is as the agent has it, or else as it would have it. */
function settingsBeside(agent: AgentFound, { json: _, ...given }: Flags & { json?: boolean }): Flags {
  const config = given.config ?? (existsSync(installedConfig) ? installedConfig : undefined);
  const flags: Flags = { ...given, ...(config !== undefined && { config }) };
  if (agent.state !== "running") return flags;
  const { host, underlay, state } = agent.status;
  return { host, underlay: underlay.dev, state, ...flags };
}

async function findAgent(socket: Terminal["socket"]): Promise<AgentFound> {
  try {
    const status = await ask<StatusAnswer>(socket, "GET /v1/status");
    const { networks } = await ask<NetworksAnswer>(socket, "GET /v1/networks");
    return { state: "running", status, networks };
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== exit.unreachable) throw error;
    // One that starts says so itself; of one that is not there the connection does.
    return { state: error.cause === undefined ? "starting" : "none", why: error.message };
  }
}
