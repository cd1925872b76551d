/** One line of the table. */
export interface Figure {
  what: string;
  value: number;
  unit: "ms" | "MB" | "x" | "writes" | "1/s";
  /** The same on the same machine in the same run with nothing of ours in the way. */
  floor?: number;
  reach: string;
  holds: boolean;
  /** What else a reader should know: p99, how many samples, what was left out. */
  note: string;
}

/** One row of the table: what it measures may take several figures. */
export interface Row {
  /** For `--only`. */
  name: string;
  run(): Promise<Figure[]>;
}

export interface Spread {
  p50: number;
  p99: number;
  worst: number;
  count: number;
}

export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), worst: at(1), count: sorted.length };
}

export function msBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}

/** Three digits that mean something. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
