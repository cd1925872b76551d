import type { CharonAnswer } from "../observe/answers.ts";
import { duration } from "../observe/duration.ts";
import { oneLine } from "../observe/one-line.ts";
import type { Terminal } from "./terminal.ts";

/** How the daemon that negotiates keys is. */
export function charonText(charon: CharonAnswer, paint: Terminal["paint"], now: number): string {
  switch (charon.state) {
    case "unneeded":
      return "not needed: this host takes part in no encrypted network";
    case "connected":
      return `${oneLine(charon.version)}, connected`;
    case "away": {
      const away = duration(Math.max(0, now - Date.parse(charon.since)));
      return `${paint("red", `away for ${away}: ${oneLine(charon.why)}`)}; tunnels stay as they are`;
    }
  }
}
