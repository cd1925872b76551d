import type { RunningAgent } from "../agent.ts";
import type { Config } from "../config.ts";
import { type Api, openApi } from "../observe/api.ts";
import { duration } from "../observe/duration.ts";
import { logEvents, openLog } from "../observe/log.ts";
import { whenReady } from "../observe/ready.ts";
import { SocketError } from "../observe/socket.ts";
import { version } from "../version.ts";
import { CliError, exit } from "./exit.ts";
import { tellSystemd } from "./systemd.ts";
import { counted } from "./table.ts";

/**
 * Runs an agent until a signal ends it, or `skein leave`, then ends the process: what a driver or a library left open must
 * not keep an agent half alive.
 *
 * @throws CliError where it cannot be started
 */
export async function runAgent(config: Config, start: (config: Config) => Promise<RunningAgent>): Promise<void> {
  const ended = Promise.withResolvers<"SIGTERM" | "SIGINT" | "leave">();
  // Once: the second signal ends a stop that hangs.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => ended.resolve(signal));
  // The terminal it was started from is gone; the host's network is not to go with it.
  process.on("SIGHUP", () => {});

  const log = openLog(config.log);
  const api = await openApi({ path: config.socket, left: () => ended.resolve("leave") }).catch(cannotListen);
  log.info(startText(config));
  const agent = await Promise.race([startOrClose(api, () => start(config)), ended.promise]);
  // Ended before it began; nothing was written yet.
  if (typeof agent === "string") process.exit(exit.done);

  const { view } = agent;
  const endLog = logEvents(log, view.events$);
  api.present(view);
  const over = new AbortController();
  void whenReady(view.ready, over.signal).then(async (ready) => {
    if (!ready) return;
    const networks = view.networks();
    const rows = networks.reduce((sum, network) => sum + network.rows, 0);
    const took = duration(Date.now() - view.startedAt);
    const text = `ready after ${took}: ${counted(networks.length, "network")}, ${counted(rows, "row")}`;
    log.info(text);
    await tellSystemd(["READY=1", `STATUS=${text}`], log);
  });

  const why = await ended.promise;
  over.abort();
  log.info(why === "leave" ? "left this host" : `ending on ${why}: all rows stay`);
  await api.close();
  if (why !== "leave") await agent.stop();
  endLog();
  process.exit(exit.done);
}

async function startOrClose(api: Api, start: () => Promise<RunningAgent>): Promise<RunningAgent> {
  try {
    return await start();
  } catch (cause) {
    await api.close();
    throw new CliError(exit.failed, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function cannotListen(error: unknown): never {
  if (!(error instanceof SocketError) && !(error instanceof Error && "syscall" in error)) throw error;
  throw new CliError(exit.failed, error.message, error);
}

function startText({ host, underlay, etcd, prefix, socket, state }: Config): string {
  const store =
    etcd.endpoints.length > 0
      ? `etcd ${etcd.endpoints.join(", ")}`
      : `an etcd of its own below ${state}, since no --etcd is named: for one machine`;
  return `skein ${version} starts as ${host}: underlay ${underlay}, ${store}, prefix ${prefix}, socket ${socket}`;
}
