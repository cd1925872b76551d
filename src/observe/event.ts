import type { Skip } from "../desired/inputs.ts";
import type { TunnelEvent } from "../ike/tunnel-event.ts";
import type { RecordKey } from "../model/keys.ts";
import type { EngineEvent } from "../reconcile/event.ts";

/** Everything an agent has to tell, in one union; the log, the event stream, status and metrics are its subscribers. */
export type AgentEvent =
  | EngineEvent
  | TunnelEvent
  /** A record that is none: hostile, malformed, or of a later version. */
  | { type: "rejected"; key: string; revision: string; code: string; reason: string }
  /** A record that leads to no rows here, or does again (`skip` absent). */
  | { type: "skipped"; key: RecordKey; skip?: Skip }
  | { type: "joined" | "left"; net: string; why: string }
  /** The collector took back an address or a block that nobody has any more. */
  | { type: "collected"; key: RecordKey; net: string; why: string }
  /** etcd does not answer: what is there stays as it is. `since` in milliseconds of the Unix epoch. */
  | { type: "stale"; keys: string; since: number; why: string }
  | { type: "fresh"; keys: string; staleMs: number }
  /** Records may have gone without their deletion having been seen. */
  | { type: "doubt"; keys: string; why: string }
  | { type: "underlay"; dev: string; address: string; mtu: number; was?: { address: string; mtu: number } }
  /** Something an operator should know that stops nothing. */
  | { type: "warned"; code: string; message: string };

/** The one function that events go to. */
export type Tell = (event: AgentEvent) => void;
