import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { constants } from "node:os";
import { LabError } from "./error.ts";

export interface Exit {
  stdout: string;
  stderr: string;
  /** The exit status; 128 and the signal's number where a signal ended it, as a shell has it. */
  code: number;
}

export interface ExecOptions {
  /** Text for standard input. */
  input?: string;
  cwd?: string;
  /** Added to the place's own variables. */
  env?: NodeJS.ProcessEnv;
}

/** Where commands run: a host of the lab, or a container on one. */
export interface Place {
  /** The whole command line that runs a command here, and its environment: for those that spawn by themselves. */
  commandLine(command: string, args: readonly string[], cwd?: string): [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Runs to the end; a failure is a value. Rejects only where the command cannot be started. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<Exit>;
  /** Standard output of a command that must succeed. @throws LabError COMMAND_FAILED with what it said. */
  output(command: string, args?: readonly string[], options?: ExecOptions): Promise<string>;
  /** A command that goes on; the process is the command itself, so signals reach it. */
  spawn(
    command: string,
    args?: readonly string[],
    options?: Omit<ExecOptions, "input">,
  ): ChildProcessWithoutNullStreams;
}

/** `entry` is a program with arguments, such as nsenter's, that runs what follows it in place of itself. */
export function place(entry: readonly [string, ...string[]], env: NodeJS.ProcessEnv): Place {
  const [program, ...flags] = entry;

  const commandLine: Place["commandLine"] = (command, args, cwd) => {
    // Entering a mount namespace puts the process at its root.
    const directory = cwd === undefined ? [] : ["env", `--chdir=${cwd}`];
    return [program, ...flags, ...directory, command, ...args];
  };

  const exec: Place["exec"] = (command, args = [], options = {}) => {
    const [file, ...rest] = commandLine(command, args, options.cwd);
    return new Promise((resolve, reject) => {
      const settings = { env: { ...env, ...options.env }, maxBuffer: Number.POSITIVE_INFINITY };
      const child = execFile(file, rest, settings, (error, stdout, stderr) => {
        // A number is the command's status, a text the reason why there was none.
        if (typeof error?.code === "string") reject(error);
        else resolve({ stdout, stderr, code: exitStatus(child.exitCode, child.signalCode) });
      });
      // A command that does not read its input ends the pipe before we have written it.
      child.stdin?.on("error", () => {});
      child.stdin?.end(options.input ?? "");
    });
  };

  return {
    commandLine,
    env,
    exec,
    async output(command, args = [], options = {}) {
      const { stdout, stderr, code } = await exec(command, args, options);
      if (code === 0) return stdout;
      const said = stderr.trim() || stdout.trim() || "nothing";
      throw new LabError(
        "COMMAND_FAILED",
        `Cannot run "${[command, ...args].join(" ")}": expected status 0, got ${code}: ${said}`,
      );
    },
    spawn(command, args = [], options = {}) {
      const [file, ...rest] = commandLine(command, args, options.cwd);
      return spawn(file, rest, { env: { ...env, ...options.env }, stdio: "pipe" });
    },
  };
}

export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
}
