import { type DestinationStream, destination, type Level, type Logger, pino } from "pino";
import type { Observable } from "rxjs";
import type { AgentEvent } from "./event.ts";
import { limitLog } from "./log-limit.ts";
import { logLine } from "./log-line.ts";

/** JSON lines on standard error, for journald and its like; a person at a terminal gets text. */
export function openLog(level: Level): Logger {
  const stderr = destination({ fd: 2, sync: true });
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(settings, process.stderr.isTTY ? asText(stderr) : stderr);
}

/** Logs what an agent tells; the function returned ends that. */
export function logEvents(log: Logger, events$: Observable<AgentEvent>): () => void {
  const limit = limitLog({
    most: 5,
    windowMs: 10_000,
    leftOut: (sort, count) =>
      log.warn({ sort, count }, `and ${count} more like that (${sort}) in 10 s; skein status has them`),
  });
  const subscription = events$.subscribe((event) => {
    const line = logLine(event);
    if (line === undefined || !log.isLevelEnabled(line.level)) return;
    // Who asks for rows one by one gets them all.
    if (line.level === "debug" || limit.admit(line.sort)) log[line.level]({ event: event.type }, line.message);
  });
  return () => {
    subscription.unsubscribe();
    limit.close();
  };
}

function asText(out: DestinationStream): DestinationStream {
  return {
    write(json) {
      const { time, level, msg } = JSON.parse(json);
      out.write(`${time} ${pino.levels.labels[level]?.padEnd(5)} ${msg}\n`);
    },
  };
}
