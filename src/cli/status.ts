import type { Command } from "commander";
import type { NetworkStatus, StatusAnswer } from "../observe/answers.ts";
import { duration } from "../observe/duration.ts";
import { oneLine } from "../observe/one-line.ts";
import { charonText } from "./charon-text.ts";
import { ask } from "./client.ts";
import { counted, table } from "./table.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

export function addStatus(program: Command): void {
  program
    .command("status")
    .summary("how this host is: networks, revisions, what failed or was refused and why")
    .description(
      "How this host is. OBSERVED is the etcd revision up to which every record has been seen, CONVERGED the one up to\n" +
        "which the kernel holds what they say; they differ while something is under way, has failed or is held.",
    )
    .option("--json", "print it as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const status = await ask<StatusAnswer>(terminal.socket, "GET /v1/status");
      if (json) terminal.json(status);
      else terminal.print(statusText(status, terminal, Date.now()));
    });
}

export function statusText(status: StatusAnswer, { paint }: Pick<Terminal, "paint">, now: number): string {
  const { host, version, underlay, brake, networks, rejected } = status;
  const up = duration(now - Date.parse(status.startedAt));
  const ready = status.ready ? paint("green", "ready") : paint("yellow", "starting");
  const prefix = underlay.prefix.slice(underlay.prefix.indexOf("/"));
  const held = brake && `holding back ${brake.removals} of ${counted(brake.rows, "row")}: ${brake.why}`;
  return [
    `host      ${host}, ${ready}, up ${up}, skein ${version}`,
    `underlay  ${underlay.dev} ${underlay.address}${prefix}, mtu ${underlay.mtu}`,
    `etcd      ${etcdText(status.etcd, paint, now)}`,
    ...(status.charon.state === "unneeded" ? [] : [`charon    ${charonText(status.charon, paint, now)}`]),
    ...(held ? [`brake     ${paint("red", held)}; see skein plan, let go with skein release`] : []),
    "",
    networks.length > 0 ? networkTable(networks) : "no networks: put one at networks/NAME",
    ...section(
      paint("red", "failed"),
      networks.flatMap(({ failed }) =>
        failed.map(
          ({ row, code, message, attempt, retryMs }) =>
            `${row}: ${message} (${code}, attempt ${attempt}, next in ${duration(retryMs)})`,
        ),
      ),
    ),
    ...section(
      paint("red", "tunnels"),
      networks.flatMap(({ network, tunnels }) =>
        tunnels && tunnels.up < tunnels.wanted
          ? `${network}: ${tunnels.wanted - tunnels.up} of ${tunnels.wanted} not up${tunnels.why ? `, ${oneLine(tunnels.why)}` : ""}; see skein tunnels`
          : [],
      ),
    ),
    ...section(
      paint("yellow", "skipped"),
      networks.flatMap(({ skipped }) => skipped.map(({ key, code, reason }) => `${key}: ${reason} (${code})`)),
    ),
    ...section(
      paint("yellow", "rejected"),
      rejected.map(({ key, code, reason, revision }) => `${key}: ${reason} (${code}, revision ${revision})`),
    ),
  ].join("\n");
}

const head = ["NETWORK", "AGENT", "ROWS", "OBSERVED", "CONVERGED", "FAILED", "SKIPPED"];

/** With how many peers' tunnels are up, where any network is encrypted. */
function networkTable(networks: readonly NetworkStatus[]): string {
  if (networks.every(({ tunnels }) => tunnels === undefined)) return table(head, networks.map(rowOf));
  const rows = networks.map((network) => [...rowOf(network), upText(network)]);
  return table([...head, "TUNNELS UP"], rows);
}

function rowOf({ network, member, rows, observed, converged, failed, skipped }: NetworkStatus): string[] {
  const counts = [rows, observed, converged, failed.length, skipped.length].map(String);
  return [network, member?.address ?? "-", ...counts];
}

function upText({ tunnels }: NetworkStatus): string {
  return tunnels ? `${tunnels.up} of ${tunnels.wanted}` : "-";
}

function etcdText(etcd: StatusAnswer["etcd"], paint: Terminal["paint"], now: number): string {
  const where = etcd.embedded ? `the agent's own, ${etcd.endpoints.join(", ")}` : etcd.endpoints.join(", ");
  const base = `${where}, keys below ${etcd.prefix}`;
  if (etcd.staleSince === undefined) return base;
  const away = duration(now - Date.parse(etcd.staleSince));
  return `${base}\n          ${paint("red", `away for ${away}: ${etcd.why}`)}; rows and names stay as they are`;
}

/** Nobody reads ten thousand lines in a terminal; `--json` has them all. */
const shown = 20;

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const more = lines.length - shown;
  const rest = more > 0 ? [`  and ${more} more: --json has them all`] : [];
  return ["", title, ...lines.slice(0, shown).map((line) => `  ${line}`), ...rest];
}
