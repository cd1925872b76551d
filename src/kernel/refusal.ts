import { type Failure, type Observed, rowId } from "../reconcile/kind.ts";
import { errnoName } from "./errno.ts";
import type { BatchReply } from "./kernel.ts";

/** The failure of one message of a batch, `undefined` where the kernel did as asked; `done` are errnos that say so too. */
export function refusal(
  reply: BatchReply,
  index: number,
  verb: string,
  row: Pick<Observed, "kind" | "scope" | "key">,
  done: readonly string[] = [],
): Failure | undefined {
  const errno = reply.errnos[index] ?? 0;
  const code = errnoName(errno);
  if (errno === 0 || done.includes(code)) return undefined;
  const text = reply.texts.get(index);
  return { code, message: `Cannot ${verb} ${rowId(row)}: ${text ? `${text} (${code})` : code}`, next: "retry" };
}

export function missingDevice(row: Pick<Observed, "kind" | "scope" | "key">, dev: string): Failure {
  return { code: "ENODEV", message: `Cannot add ${rowId(row)}: expected device ${dev}, got none`, next: "retry" };
}
