import { styleText } from "node:util";
import type { Command } from "commander";

export type Colour = "green" | "yellow" | "red" | "dim" | "bold";

/** Where a command writes, and how. */
export interface Terminal {
  socket: string;
  print(text: string): void;
  json(value: unknown): void;
  paint(colour: Colour, text: string): string;
}

const defaultSocket = "/run/skein/agent.sock";

export function terminalOf(command: Command): Terminal {
  const { socket = defaultSocket, color } = command.optsWithGlobals<{ socket?: string; color: boolean }>();
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  return {
    socket,
    print,
    json: (value) => print(JSON.stringify(value, null, 2)),
    // Node's own check of the stream: a pipe, NO_COLOR and TERM=dumb mean none.
    paint: (colour, text) => (color ? styleText(colour, text, { stream: process.stdout }) : text),
  };
}
