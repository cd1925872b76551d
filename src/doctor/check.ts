/** `warning`: works, and will not for ever or not at its best. `unknown`: could not be looked at, `found` says why. */
export type Verdict = "well" | "warning" | "wrong" | "unknown";

export type Area = "agent" | "kernel" | "charon" | "ports" | "underlay" | "forwarding" | "tables" | "etcd" | "host";

/** One thing that a host needs, and how it is here. */
export interface Check {
  area: Area;
  name: string;
  verdict: Verdict;
  expected: string;
  found: string;
  /** What to do about it, as an operator would type it; absent where all is well, there for all else. */
  remedy?: string;
}

/** What `skein doctor --json` prints: as stable as the answers of the API. */
export interface DoctorReport {
  /** Nothing is wrong; there may be warnings. */
  healthy: boolean;
  checks: readonly Check[];
}

type Said = Pick<Check, "area" | "name" | "expected" | "found">;

export function well(said: Said): Check {
  return { ...said, verdict: "well" };
}

export function amiss(verdict: "warning" | "wrong", said: Said, remedy: string): Check {
  return { ...said, verdict, remedy };
}

export function unknown(said: Said, remedy = "skein doctor, as root and on the host itself"): Check {
  return { ...said, verdict: "unknown", remedy };
}

/** What encrypted networks need is wrong to lack where there are any, and worth a word where there may be. */
export function lacking(isEncrypted: boolean | undefined): "warning" | "wrong" {
  return isEncrypted === true ? "wrong" : "warning";
}
