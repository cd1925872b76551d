#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=1 --heap-growing-percent=70 --no-parallel-scavenge
// An agent is idle nearly always, and shares its host: without the first two it would take 20 MB more, and 150 MB more in a
// world of 100,000 containers; its start would take 40 ms less. With the third nobody waits for threads that collect a
// megabyte of garbage and have to wait for their own turn first: on a busy host that took an answer to a name 60 ms.
import { runCli } from "./cli/program.ts";

// `skein events | head` is done when head is.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const code = await runCli(process.argv.slice(2));
// A command may have set a status of its own: that of what it ran.
if (code !== 0) process.exitCode = code;
