#!/usr/bin/env node
import { runCli } from "./cli/program.ts";

// `skein events | head` is done when head is.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const code = await runCli(process.argv.slice(2));
// A command may have set a status of its own: that of what it ran.
if (code !== 0) process.exitCode = code;
