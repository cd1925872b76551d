import { StoreError } from "../store/failure.ts";
import { WaitError, type WaitErrorCode } from "./wait-error.ts";

/** A question that cannot be answered, as HTTP has it. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const statusOf: Record<WaitErrorCode, number> = {
  NETWORK_UNKNOWN: 404,
  NETWORK_REJECTED: 409,
  REVISION_AHEAD: 504,
  ETCD_AWAY: 504,
};

export function faultOf(error: unknown): Pick<Fault, "status" | "code" | "message"> {
  if (error instanceof Fault) return error;
  if (error instanceof WaitError) return { status: statusOf[error.code], code: error.code, message: error.message };
  if (error instanceof StoreError)
    return { status: 503, code: `ETCD_${error.code.toUpperCase()}`, message: error.message };
  const { message, statusCode = 500 } = Object(error) as { message?: string; statusCode?: number };
  return { status: statusCode, code: statusCode < 500 ? "REQUEST" : "INTERNAL", message: message ?? String(error) };
}
