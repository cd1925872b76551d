import { readFile } from "node:fs/promises";

/** What the kernel says that a process has cost so far. */
export interface ProcessCost {
  /** Processor time, all threads; the kernel counts it in ticks of 10 ms. */
  cpuMs: number;
  rssMb: number;
}

export async function costOf(pid: number): Promise<ProcessCost> {
  const [stat, status] = await Promise.all(["stat", "status"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")));
  // Fields from the third on; the second, the name, may hold spaces.
  const fields = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ");
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(status!)?.[1];
  return { cpuMs: 10 * (Number(fields[11]) + Number(fields[12])), rssMb: Number(rss) / 1024 };
}
