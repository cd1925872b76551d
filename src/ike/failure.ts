import type { Failure } from "../reconcile/kind.ts";
import { ViciError } from "./vici/error.ts";

/** A call's error as a row's failure; while charon is away or silent, rows wait for its return. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof ViciError)) return { code: "TUNNEL_INVALID", message, next: "retry" };
  switch (error.code) {
    case "AWAY":
    case "MALFORMED":
      return { code: "CHARON_AWAY", message, next: "wait" };
    case "SILENT":
      return { code: "CHARON_SILENT", message, next: "wait" };
    case "REFUSED":
    case "UNKNOWN_COMMAND":
    case "UNKNOWN_EVENT":
    case "UNSENDABLE":
      return { code: "CHARON_REFUSED", message, next: "retry" };
  }
}
