import { Command, CommanderError, Option } from "commander";
import { version } from "../version.ts";
import { addAgent } from "./agent.ts";
import { addDoctor } from "./doctor.ts";
import { addEvents } from "./events.ts";
import { CliError, exit } from "./exit.ts";
import { addHost } from "./host.ts";
import { addIpam } from "./ipam.ts";
import { addKeys } from "./keys.ts";
import { addLeave, addRelease } from "./leave.ts";
import { addLists } from "./lists.ts";
import { addPlan } from "./plan.ts";
import { addStatus } from "./status.ts";
import { addTunnels } from "./tunnels.ts";
import { addWait } from "./wait.ts";

/** Runs one command line, without the program's own name; resolves with the exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = createProgram();
  await addLab(program, args);
  try {
    await program.parseAsync(args, { from: "user" });
    return exit.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage;
    if (error instanceof CliError) {
      process.stderr.write(`skein: ${error.message}\n`);
      return error.exitCode;
    }
    if (!(error instanceof Error && "code" in error)) throw error;
    // Foreseen by who threw it; what was not is worth a stack.
    process.stderr.write(`skein: ${error.message}\n`);
    return exit.failed;
  }
}

function createProgram(): Command {
  const program = new Command("skein")
    .summary("one flat network for containers on many hosts")
    .description(
      "Gives containers on many Linux hosts one flat network, or several isolated ones. You say what you want as etcd keys;\n" +
        "an agent on each host makes its kernel so, keeps it so, and says why each row is there.",
    )
    .version(version)
    .addOption(new Option("--socket <path>", "the agent's socket (default: /run/skein/agent.sock)").env("SKEIN_SOCKET"))
    .option("--no-color", "no colours; a pipe has none anyway, nor does NO_COLOR")
    .configureHelp({ showGlobalOptions: true, helpWidth: 120 })
    .configureOutput({
      outputError: (text, write) =>
        write(
          `skein: ${text
            .trim()
            .replace(/^error: /, "")
            .replaceAll(/\s*\n\s*/g, " ")}; see --help\n`,
        ),
    })
    .exitOverride()
    .addHelpText("after", help);
  addAgent(program);
  addStatus(program);
  addDoctor(program);
  addEvents(program);
  addPlan(program);
  addWait(program);
  addLists(program);
  addTunnels(program);
  addIpam(program);
  addHost(program);
  addKeys(program);
  addRelease(program);
  addLeave(program);
  return program;
}

/** The lab has parts of its own to load, which the other commands need not wait for. */
async function addLab(program: Command, args: readonly string[]): Promise<void> {
  if (!args.includes("lab")) {
    program.command("lab").summary("several hosts on this machine, to try it out");
    return;
  }
  const { labCommand } = await import("../lab/command.ts");
  program.addCommand(adopt(labCommand(), program));
}

/** A command made elsewhere ends and complains as the others do. */
function adopt(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) adopt(child, command);
  return command;
}

const help = `
Keys, below /skein/v1 (--prefix); values are JSON, their schemas lie in schemas/:
  networks/NET                          a network: {"cidr":"10.42.0.0/16","backend":{"type":"vxlan","vni":1042}}
  keyspaces/NET/containers/HOST/ID      a container: {"name":"mongo","ip":"10.42.118.43","netns":"/run/netns/mongo"}

Examples:
  skein agent --host h1 --etcd http://192.0.2.10:2379 --underlay eth0
  etcdctl put /skein/v1/networks/blue '{"cidr":"10.42.0.0/16","backend":{"type":"vxlan","vni":1042}}'
  skein wait --network blue --timeout 10s && echo every host has it
  skein events --json | jq 'select(.type == "drifted")'
  skein doctor                 does this host have what it takes?
  skein lab up --hosts 3       several hosts on this machine, to try it out

Exit codes:
  ${exit.done}  done
  ${exit.failed}  failed, or doctor found something wrong
  ${exit.usage}  wrong usage: an unknown option, a configuration that cannot be
  ${exit.unreachable}  no agent to ask: it does not run, is starting, or ended
  ${exit.unconverged}  not converged: wait ran out of time, plan --exit-code found something`;
