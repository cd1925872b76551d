export type WaitErrorCode = "NETWORK_UNKNOWN" | "NETWORK_REJECTED" | "REVISION_AHEAD" | "ETCD_AWAY";

/** There is nothing to wait for, or nobody to ask. */
export class WaitError extends Error {
  override readonly name = "WaitError";
  readonly code: WaitErrorCode;

  constructor(code: WaitErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
