import type { Command } from "commander";
import type { RekeyAnswer, TunnelEntry, TunnelsAnswer } from "../observe/answers.ts";
import { duration } from "../observe/duration.ts";
import { oneLine } from "../observe/one-line.ts";
import { amount } from "./amount.ts";
import { charonText } from "./charon-text.ts";
import { ask } from "./client.ts";
import { counted, table } from "./table.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

export function addTunnels(program: Command): void {
  const tunnels = program
    .command("tunnels")
    .summary("the encrypted tunnels to peers, by network: state, cipher, age, traffic, and why one is not up")
    .description(
      "The encrypted tunnels of this host, one line a network and peer. SINCE is when its keys were made, REKEY IN when new\n" +
        "ones are; IN and OUT count since then. Networks of one VXLAN port share their tunnels. What is not up drops, never leaks.",
    )
    .option("--network <name>", "of this network only")
    .option("--json", "print them as data, with SPIs and the IKE SA of each")
    .action(async ({ json, network }, command) => {
      const terminal = terminalOf(command);
      const query = network === undefined ? "" : `?network=${encodeURIComponent(network)}`;
      const answer = await ask<TunnelsAnswer>(terminal.socket, `GET /v1/tunnels${query}`);
      if (json) terminal.json(answer);
      else terminal.print(tunnelsText(answer, terminal, Date.now()));
    });
  tunnels
    .command("rekey")
    .summary("make new keys for tunnels now, without losing a packet")
    .description(
      "Makes new keys for tunnels that are up, as is done once an hour anyway: packets leave by the old ones until both ends have\n" +
        "the new. Returns at once; skein events tells of each tunnel when it has them.",
    )
    .option("--network <name>", "of this network only")
    .option("--peer <host>", "to this host only")
    .option("--json", "print the outcome as data")
    .action(async (_, command) => {
      const terminal = terminalOf(command);
      const { json, network, peer } = command.optsWithGlobals();
      const query = new URLSearchParams({ ...(network && { network }), ...(peer && { peer }) });
      const answer = await ask<RekeyAnswer>(terminal.socket, `POST /v1/tunnels/rekey?${query}`);
      if (json) terminal.json(answer);
      else terminal.print(rekeyText(answer));
    });
}

function rekeyText({ tunnels }: RekeyAnswer): string {
  const places = tunnels.map(({ network, peer }) => `${network} to ${peer}`);
  return `New keys are being made for ${counted(tunnels.length, "tunnel")}: ${places.join(", ")}.`;
}

export function tunnelsText(answer: TunnelsAnswer, { paint }: Pick<Terminal, "paint">, now: number): string {
  const { charon, tunnels } = answer;
  const head = `charon  ${charonText(charon, paint, now)}`;
  if (tunnels.length === 0) return `${head}\n\nno tunnels: this host shares no encrypted network with another`;
  const up = tunnels.filter(({ state }) => state === "up").length;
  return [
    head,
    "",
    table(columns, rowsOf(tunnels, paint, now)),
    "",
    `${up} of ${counted(tunnels.length, "tunnel")} up`,
    ...reasons(tunnels, paint),
  ].join("\n");
}

const columns = ["NETWORK", "PEER", "STATE", "CIPHER", "MODE", "SINCE", "REKEY IN", "IN", "OUT", "REMOTE"];

/** A network's name stands where its lines begin. */
function rowsOf(tunnels: readonly TunnelEntry[], paint: Terminal["paint"], now: number): string[][] {
  return tunnels.map((tunnel, index) => {
    const first = tunnels[index - 1]?.network !== tunnel.network;
    return [first ? tunnel.network : "", tunnel.peer, ...cells(tunnel, paint, now)];
  });
}

const colours = { up: "green", connecting: "yellow", down: "red", unknown: "yellow" } as const;

function cells(tunnel: TunnelEntry, paint: Terminal["paint"], now: number): string[] {
  const state = paint(colours[tunnel.state], tunnel.state);
  if (tunnel.state !== "up") return [state];
  const { cipher, mode, encap, since, rekeyInMs, bytesIn, bytesOut, packetsIn, packetsOut, remote } = tunnel;
  return [
    state,
    cipher,
    encap ? `${mode} in UDP` : mode,
    duration(Math.max(0, now - Date.parse(since))),
    rekeyInMs === undefined ? "-" : duration(rekeyInMs),
    `${amount(bytesIn)}, ${counted(packetsIn, "packet")}`,
    `${amount(bytesOut)}, ${counted(packetsOut, "packet")}`,
    remote,
  ];
}

/** Why tunnels are not up. Networks of one reason stand together: one IKE SA carries all that are shared with a peer. */
function reasons(tunnels: readonly TunnelEntry[], paint: Terminal["paint"]): string[] {
  const networks = new Map<string, string[]>();
  for (const tunnel of tunnels) {
    if (tunnel.state === "up" || !tunnel.why) continue;
    const reason = `: ${oneLine(tunnel.why)}${triesText(tunnel)}`;
    const place = `${tunnel.peer}\0${reason}`;
    networks.set(place, [...(networks.get(place) ?? []), tunnel.network]);
  }
  if (networks.size === 0) return [];
  return ["", paint("red", "not up"), ...[...networks].map(([place, nets]) => reasonLine(place, nets))];
}

function reasonLine(place: string, networks: readonly string[]): string {
  const [peer, reason] = place.split("\0");
  return `  ${peer} (${networks.join(", ")})${reason}`;
}

function triesText(tunnel: Exclude<TunnelEntry, { state: "up" }>): string {
  if (tunnel.state === "unknown" || tunnel.attempt === 0) return "";
  const next = tunnel.state === "down" && tunnel.retryMs !== undefined ? `, next in ${duration(tunnel.retryMs)}` : "";
  return ` (attempt ${tunnel.attempt}${next})`;
}
