import {
  ClientClosedError,
  castGrpcError,
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdPermissionDeniedError,
  GRPCUnauthenticatedError,
  isRecoverableError,
} from "etcd3";

/**
 * What to do about a failed call:
 * `unavailable` try again with back-off; `unauthenticated` take a new token; `denied` wait for somebody to grant the role;
 * `compacted` and `future` list again; `closed` stop; `refused` a fault of the request itself, trying again is no use.
 */
export type FailureCode = "unavailable" | "unauthenticated" | "denied" | "compacted" | "future" | "closed" | "refused";

/** A call to etcd that failed; `cause` is the client library's own error. */
export class StoreError extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StoreError";
    this.code = code;
  }
}

/** @param what the call in words, as in `put networks/blue` */
export function storeError(what: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  // Streams fail with gRPC's own errors, calls with etcd3's.
  const error = cause instanceof Error ? castGrpcError(cause) : cause;
  const text = plain(error instanceof Error ? error.message : String(error));
  return new StoreError(codeOf(error), `Cannot ${what}: expected etcd's answer, got "${text}"`, error);
}

/** `connect ECONNREFUSED 192.0.2.10:2379` instead of gRPC's envelopes around it. */
function plain(text: string): string {
  return text
    .replace(/^\d+ [A-Z_]+: /, "")
    .replace(/^No connection established\. Last error: (?:Error: )?/, "")
    .replace(/\.? ?Resolution note:.*$/s, "");
}

/** The texts are etcd's own (rpctypes/error.go): etcd3 has no class for them. */
function codeOf(cause: unknown): FailureCode {
  if (!(cause instanceof Error)) return "unavailable";
  const text = cause.message;
  if (text.includes("required revision has been compacted")) return "compacted";
  if (text.includes("required revision is a future revision")) return "future";
  // Without a token etcd takes the name in the client's certificate for the user, and mostly has none of that name.
  if (/invalid auth token|user name is empty|user name not found|revision of auth store is old/.test(text))
    return "unauthenticated";
  if (cause instanceof EtcdInvalidAuthTokenError || cause instanceof GRPCUnauthenticatedError) return "unauthenticated";
  if (cause instanceof EtcdPermissionDeniedError || cause instanceof EtcdAuthenticationFailedError) return "denied";
  if (cause instanceof ClientClosedError) return "closed";
  if (isRecoverableError(cause) || /no leader|leader changed|timed out|not capable|stopped/.test(text))
    return "unavailable";
  return "refused";
}
