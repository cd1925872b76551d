import type { Command } from "commander";
import type { KeyRotateAnswer, KeysAnswer } from "../observe/answers.ts";
import { ask } from "./client.ts";
import { table } from "./table.ts";
import { terminalOf } from "./terminal.ts";

export function addKeys(program: Command): void {
  const keys = program
    .command("keys")
    .summary("public keys that hosts prove themselves by, and putting a new one in the place of this host's")
    .description(
      "Ed25519 keys that hosts prove themselves by to each other in IKE. Private halves never leave their host.",
    );
  keys
    .command("show")
    .summary("this host's public keys, and those that it accepts of each peer")
    .description(
      "The public keys that hosts have published at hosts/HOST. A peer is accepted by any of its keys and by no other; a host\n" +
        "has two while one takes the other's place, and none where it proves itself by a secret (--psk-file).",
    )
    .option("--json", "print them as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<KeysAnswer>(terminal.socket, "GET /v1/keys");
      if (json) terminal.json(answer);
      else terminal.print(keysText(answer));
    });
  keys
    .command("rotate")
    .summary("put a new key in the place of this host's, without losing a packet")
    .description(
      "Makes a new key and publishes it beside the old one. Once every peer accepts it, this host proves itself by it, and the\n" +
        "old one is forgotten. Waits a few seconds for that; asked again, it goes on, makes no third key, and says who is waited for.",
    )
    .option("--json", "print the outcome as data")
    .action(async ({ json }, command) => {
      const terminal = terminalOf(command);
      const answer = await ask<KeyRotateAnswer>(terminal.socket, "POST /v1/keys/rotate");
      if (json) terminal.json(answer);
      else terminal.print(rotationText(answer));
    });
}

function keysText({ hosts }: KeysAnswer): string {
  const rows = hosts.flatMap(({ host, keys, self }) => {
    const [first = "-", ...more] = keys;
    return [[self ? `${host} (this)` : host, first], ...more.map((key) => ["", key])];
  });
  return table(["HOST", "KEY"], rows);
}

function rotationText({ host, from, to, state, waitingFor }: KeyRotateAnswer): string {
  if (state === "done") return `${host} proves itself by ${to} now; ${from} is forgotten.`;
  const waiting = waitingFor.length > 0 ? `; waiting for ${waitingFor.join(", ")}` : "";
  return `${host} has published ${to}. ${from} stays in use until every peer accepts the new one${waiting}.`;
}
