import { spawn } from "node:child_process";
import { Command, InvalidArgumentError } from "commander";
import { hasCharon } from "./charon.ts";
import { unencrypted } from "./encryption.ts";
import { environmentOf } from "./environment.ts";
import { LabError } from "./error.ts";
import { type Host, hostPlace } from "./host.ts";
import { createLab, removeLab } from "./lab.ts";
import { isMarked } from "./mark.ts";
import { exitStatus } from "./place.ts";
import { isOrphan, type LabState, listStates, readState } from "./state.ts";

/** `skein lab`: hosts made of namespaces on this machine, to try things on. */
export function labCommand(): Command {
  const lab = new Command("lab")
    .description("hosts made of namespaces on this machine, with an etcd, to try things on")
    .enablePositionalOptions();
  const named = (command: Command) => command.option("--name <lab>", "which lab, where there are several", "lab");

  named(lab.command("up"))
    .description("make a lab: h1, h2 and so on, on one segment, each with an agent and, where it is installed, charon")
    .option("--hosts <n>", "how many hosts", count, 3)
    .option("--no-agents", "start no agents")
    .action(up);
  named(lab.command("exec"))
    .description("run a command on a host of a lab; its exit status becomes this one's")
    .argument("<host>", "h1 and so on, or `outside`, or `wire`")
    .argument("<command...>", "the command with its arguments, after --")
    .passThroughOptions()
    .action(exec);
  named(lab.command("down")).description("end a lab with all that runs in it").action(down);
  lab.command("ls").description("list the labs of this machine").option("--json", "print as JSON").action(list);
  return lab;
}

/** An agent takes 90 MB, and a quarter of a second of one core to start. */
const mostHosts = 32;

function count(text: string): number {
  const hosts = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (hosts >= 1 && hosts <= mostHosts) return hosts;
  throw new InvalidArgumentError(`Expected a number from 1 to ${mostHosts}, got "${text}".`);
}

async function up({ name, hosts, agents }: { name: string; hosts: number; agents: boolean }): Promise<void> {
  const lab = await createLab({ name, hosts });
  try {
    if (await hasCharon()) await Promise.all(lab.hosts.map(startCharon));
    if (agents) await Promise.all(lab.hosts.map(startAgent));
    await lab.keep();
  } catch (error) {
    await lab.close();
    throw error;
  }
  const addresses = lab.hosts.map((host) => `${host.name} ${host.underlay.address()}`).join(", ");
  console.log(
    `Lab "${name}" is up: ${addresses}; etcd at ${lab.etcd.endpoint}. To make a network with a container in it:\n`,
  );
  for (const line of firstSteps(name)) console.log(`  ${line}`);
  const refused = await unencrypted();
  if (refused !== undefined) console.log(`\n${refused}`);
}

async function startCharon(host: Host): Promise<void> {
  const charon = await host.charon();
  await charon.start();
}

async function startAgent(host: Host): Promise<void> {
  const agent = await host.agent();
  await agent.start();
  await agent.ready();
}

function firstSteps(name: string): string[] {
  // Out of a clone there is no `skein` on PATH.
  const skein = process.env.npm_lifecycle_event === "skein" ? "npm run -s skein --" : "skein";
  const flag = name === "lab" ? "" : `--name ${name} `;
  const on = `${skein} lab exec ${flag}h1 --`;
  const network = '{"cidr":"10.42.0.0/16","backend":{"type":"vxlan","vni":1042}}';
  const container = '{"name":"web","netns":"/run/netns/web"}';
  return [
    `${on} etcdctl put /skein/v1/networks/blue '${network}'`,
    `${on} ip netns add web`,
    `${on} etcdctl put /skein/v1/keyspaces/blue/containers/h1/web '${container}'`,
    `${on} ip netns exec web ip addr`,
    `${on} skein status`,
    `${skein} lab down ${flag}`.trim(),
  ];
}

async function exec(host: string, command: [string, ...string[]], { name }: { name: string }): Promise<void> {
  const state = await readState(name);
  const pid = state.holders[host];
  if (pid === undefined || !(await isMarked(pid, name))) {
    const hosts = Object.keys(state.holders).join(", ");
    throw new LabError(
      "NO_HOST",
      `Cannot run a command on ${host}: expected one of ${hosts}, still up, got none of that name`,
    );
  }
  process.exit(await runOn(state, host, pid, command)); // any number: not one of our own exit codes
}

function runOn(state: LabState, name: string, pid: number, [program, ...args]: [string, ...string[]]): Promise<number> {
  const place = hostPlace({ name, pid, env: environmentOf(state) });
  const [file, ...rest] = place.commandLine(program, args, process.cwd());
  return new Promise((resolve, reject) => {
    const child = spawn(file, rest, { env: place.env, stdio: "inherit" });
    // Ctrl-C reaches the command as well; what it makes of it is its own affair.
    process.on("SIGINT", () => {});
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(exitStatus(code, signal)));
  });
}

async function down({ name }: { name: string }): Promise<void> {
  await removeLab(await readState(name));
  console.log(`Lab "${name}" is gone.`);
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const states = await listStates();
  if (json) return console.log(JSON.stringify(states));
  for (const state of states) {
    const hosts = Object.keys(state.holders).sort();
    console.log(`${state.name}: ${await condition(state)}; ${hosts.join(" ")}`);
  }
}

async function condition(state: LabState): Promise<string> {
  if (state.owner === undefined) return "kept until down";
  return (await isOrphan(state)) ? "left behind" : `ends with process ${state.owner.pid}`;
}
