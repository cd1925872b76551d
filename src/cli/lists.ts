import type { Command } from "commander";
import type {
  ContainerEntry,
  ContainersAnswer,
  HostEntry,
  HostsAnswer,
  NetworkEntry,
  NetworksAnswer,
} from "../observe/answers.ts";
import { ask } from "./client.ts";
import { table } from "./table.ts";
import { terminalOf } from "./terminal.ts";

export function addLists(program: Command): void {
  program
    .command("networks")
    .summary("the networks there are, and whether this host takes part")
    .description("The networks there are. AGENTS counts the hosts that take part; HERE says whether this one does.")
    .option("--json", "print them as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<NetworksAnswer>(terminal.socket, "GET /v1/networks");
      if (json) terminal.json(answer);
      else terminal.print(table(networkHead, answer.networks.map(networkRow)));
    });
  program
    .command("hosts")
    .summary("the hosts there are, and their agent addresses in each network")
    .description("The hosts there are. ALIVE says whether the host's agent runs; what it did stays when it does not.")
    .option("--json", "print them as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<HostsAnswer>(terminal.socket, "GET /v1/hosts");
      if (json) terminal.json(answer);
      else terminal.print(table(hostHead, answer.hosts.map(hostRow)));
    });
  program
    .command("containers")
    .summary("the containers there are, with host, MAC and address")
    .description("The containers there are. PROBLEM is what this host knows about those that are not attached.")
    .option("--network <name>", "of this network only")
    .option("--json", "print them as data")
    .action(async ({ json, network }, command) => {
      const terminal = terminalOf(command);
      const query = network === undefined ? "" : `?network=${encodeURIComponent(network)}`;
      const answer = await ask<ContainersAnswer>(terminal.socket, `GET /v1/containers${query}`);
      if (json) terminal.json(answer);
      else terminal.print(table(containerHead, answer.containers.map(containerRow)));
    });
}

const networkHead = ["NETWORK", "CIDR", "BACKEND", "VNI", "ENCRYPTED", "AGENTS", "CONTAINERS", "HERE", "EGRESS"];

function networkRow(entry: NetworkEntry): string[] {
  const { network, cidr, backend, vni, encrypted, members, containers, joined, refused, internal } = entry;
  const here = refused === undefined ? (joined ? "yes" : "no") : `refused: ${refused}`;
  const counts = [String(members), String(containers)];
  return [network, cidr, backend, textOf(vni), encrypted ? "yes" : "no", ...counts, here, internal ? "no" : "yes"];
}

const hostHead = ["HOST", "UNDERLAY", "ALIVE", "CONTAINERS", "NETWORKS"];

function hostRow({ host, address, alive, containers, networks, self }: HostEntry): string[] {
  const living = alive === undefined ? "unknown" : alive ? "yes" : "no";
  const memberships = networks.map((member) => `${member.network} ${member.address}`).join(", ");
  return [self ? `${host} (this)` : host, textOf(address), living, String(containers), memberships || "-"];
}

const containerHead = ["NETWORK", "HOST", "CONTAINER", "MAC", "ADDRESS", "STACK", "PROBLEM"];

function containerRow({ network, host, id, name, mac, ip, stack, problem }: ContainerEntry): string[] {
  const container = id === name ? name : `${name} (${id})`;
  return [network, host, container, textOf(mac), textOf(ip), textOf(stack), problem ?? ""];
}

function textOf(value: string | number | undefined): string {
  return value === undefined ? "-" : String(value);
}
