/** Why a lab could not do something; `code` is for scripts, the message for people. */
export class LabError extends Error {
  readonly code:
    | "NOT_ROOT"
    | "BAD_NAME"
    | "BAD_SUBNET"
    | "NAME_TAKEN"
    | "NO_LAB"
    | "NO_HOST"
    | "COMMAND_FAILED"
    | "DAEMON_ENDED";

  constructor(code: LabError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "LabError";
    this.code = code;
  }
}
