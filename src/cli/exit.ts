/** What a script can rely on; `skein --help` lists them. */
export const exit = { done: 0, failed: 1, usage: 2, unreachable: 3, unconverged: 4 } as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

/** Ends a command: the message goes to standard error on one line. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}
