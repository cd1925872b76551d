import { spawn } from "node:child_process";
import { once } from "node:events";
import { markVariable } from "./mark.ts";
import { type LabState, stateFile } from "./state.ts";

/**
 * Waits until its standard input ends, as it does when the lab's owner closes it or dies in any way; then kills every
 * process that carries the lab's mark, which frees their namespaces, and removes the lab's files, its state file last.
 * Rounds, because a process can fork while the list is read; 250 of them, because one stuck in the kernel cannot be killed.
 */
const script = `
read -r word && [ "$word" = keep ] && exit 0
round=0
while [ $round -lt 250 ]; do
  pids=$(grep -lzxF "$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
  [ -n "$pids" ] || break
  kill -KILL $pids 2>/dev/null
  round=$((round + 1))
  sleep 0.02
done
rm -rf "$3" 2>/dev/null
rm -f "$2"
exit 0
`;

export interface Broom {
  /** Ends every process of the lab, and its files; resolves when that is done. */
  sweep(): Promise<void>;
  /** Lets the lab outlive this process. */
  keep(): Promise<void>;
}

/** A shell, not a timer or an exit handler of ours: only another process can clean up after SIGKILL. */
export function startBroom({ name, directory }: Pick<LabState, "name" | "directory">): Broom {
  const child = spawn("sh", ["-c", script, "broom", `${markVariable}=${name}`, stateFile(name), directory], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // a session of its own: Ctrl-C in the owner's terminal must not end it
  });
  const ended = once(child, "exit");
  child.unref();
  const finish = async (word: string) => {
    child.ref();
    child.stdin.end(word);
    await ended;
  };
  return { sweep: () => finish(""), keep: () => finish("keep\n") };
}
