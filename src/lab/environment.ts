import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { markVariable } from "./mark.ts";
import { program } from "./program.ts";
import type { LabState } from "./state.ts";

/** What commands in a lab find in their environment: etcdctl its etcd, a shell `skein`, the lab's end each of them. */
export function environmentOf({
  name,
  directory,
  etcd,
}: Pick<LabState, "name" | "directory" | "etcd">): NodeJS.ProcessEnv {
  return {
    ...process.env,
    [markVariable]: name,
    ETCDCTL_API: "3",
    ETCDCTL_ENDPOINTS: etcd,
    PATH: `${binaries(directory)}:${process.env.PATH}`,
  };
}

/** Makes `skein` the one that this process is of, installed or not. */
export async function installCommand(directory: string): Promise<void> {
  const file = join(binaries(directory), "skein");
  const quoted = program("bin").map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  await mkdir(binaries(directory));
  await writeFile(file, `#!/bin/sh\nexec ${quoted.join(" ")} "$@"\n`);
  await chmod(file, 0o755);
}

function binaries(directory: string): string {
  return join(directory, "bin");
}
