/** Why charon could not be asked, or would not do as asked; `code` is for decisions, the message for people. */
export class ViciError extends Error {
  readonly code: /** Nothing listens at the socket, or the connection ended: charon is not there. */
    | "AWAY"
    /** No answer in time: charon hangs, or is stopped. */
    | "SILENT"
    /** What came is no VICI. */
    | "MALFORMED"
    /** What was to be sent does not fit the protocol. */
    | "UNSENDABLE"
    | "UNKNOWN_COMMAND"
    | "UNKNOWN_EVENT"
    /** charon answered `success = no`; the message has its own words. */
    | "REFUSED";

  constructor(code: ViciError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ViciError";
    this.code = code;
  }
}
