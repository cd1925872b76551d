import type { RecordKey } from "../model/keys.ts";
import type { Row, Scope } from "./rows.ts";

/** A device that packets come in by forwards them only if it says so itself; the namespace's own switch sets all once. */
export function forwarding(scope: Scope, dev: string, because: readonly RecordKey[]): Row {
  return { kind: "sysctl", scope, key: `net.ipv4.conf.${dev}.forwarding`, value: { value: "1" }, because };
}
