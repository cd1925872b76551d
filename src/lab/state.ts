import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LabError } from "./error.ts";
import { startTime } from "./process-stat.ts";

/** What is known of a lab to processes that did not make it. */
export const LabState = z.strictObject({
  name: z.string(),
  /** The process the lab ends with; absent once the lab is kept. */
  owner: z.strictObject({ pid: z.int(), startTime: z.string() }).optional(),
  /** Data of etcd and the agents, logs. */
  directory: z.string(),
  /** etcd's endpoint, as the hosts reach it. */
  etcd: z.string(),
  /** The processes that hold the namespaces: `h1` and so on, `wire`, `outside`. */
  holders: z.record(z.string(), z.int()),
});
export type LabState = z.infer<typeof LabState>;

const directory = "/run/skein-lab";

export function stateFile(name: string): string {
  return join(directory, `${name}.json`);
}

/** @throws LabError NAME_TAKEN when a lab of this name exists. */
export async function createState(state: LabState): Promise<void> {
  const draft = await write(state);
  try {
    await link(draft, stateFile(state.name));
  } catch (cause) {
    throw new LabError(
      "NAME_TAKEN",
      `Cannot create lab: expected an unused name, got "${state.name}", which is up`,
      cause,
    );
  } finally {
    await unlink(draft);
  }
}

export async function updateState(state: LabState): Promise<void> {
  await rename(await write(state), stateFile(state.name));
}

/** Readers never see half a file: it is written aside, then linked or renamed into place. */
async function write(state: LabState): Promise<string> {
  await mkdir(directory, { recursive: true });
  const draft = join(directory, `.${state.name}.${randomBytes(4).toString("hex")}`);
  await writeFile(draft, `${JSON.stringify(state)}\n`);
  return draft;
}

/** @throws LabError NO_LAB when there is none of this name. */
export async function readState(name: string): Promise<LabState> {
  const text = await readFile(stateFile(name), "utf8").catch((cause) => {
    throw new LabError("NO_LAB", `Cannot find lab: expected the name of one that is up, got "${name}"`, cause);
  });
  return LabState.parse(JSON.parse(text));
}

export async function listStates(): Promise<LabState[]> {
  const names = await readdir(directory).catch(() => []);
  const labs = names.filter((file) => file.endsWith(".json") && !file.startsWith("."));
  const states = await Promise.all(labs.map((file) => readState(file.slice(0, -".json".length)).catch(endedMeanwhile)));
  return states.filter((state) => state !== undefined);
}

function endedMeanwhile(error: unknown): undefined {
  if (error instanceof LabError && error.code === "NO_LAB") return undefined;
  throw error;
}

/** A lab whose owner has died without ending it. */
export async function isOrphan({ owner }: LabState): Promise<boolean> {
  return owner !== undefined && (await startTime(owner.pid)) !== owner.startTime;
}
