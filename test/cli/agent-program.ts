import { setTimeout as delay } from "node:timers/promises";
import { CliError } from "../../src/cli/exit.ts";
import { runAgent } from "../../src/cli/run-agent.ts";
import { readConfig } from "../../src/config.ts";
import { fakeView } from "../observe/fake-view.ts";

/**
 * `node agent-program.ts SOCKET [fails|hangs|never-ready]`: what `skein agent` runs, around an agent that only says what
 * it is told to do.
 */
const [socket, mode] = process.argv.slice(2) as [string, string?];
const config = readConfig({ host: "h1", underlay: "lo", socket, log: "debug" });
try {
  await runAgent(config, async () => {
    if (mode === "fails") throw new Error("Cannot open the kernel: expected CAP_NET_ADMIN, got none");
    if (mode === "hangs") await delay(3_600_000);
    const view = fakeView({ ready: () => mode !== "never-ready" });
    return {
      view,
      async stop() {
        process.stdout.write("stopped\n");
      },
    };
  });
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stdout.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}
