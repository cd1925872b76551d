import { spawn } from "node:child_process";
import { once } from "node:events";
import { LabError } from "./error.ts";

/**
 * What a namespace of a lab looks like when it is entered. The mounts below /run are copies of the machine's own: among
 * them are the network namespaces of /run/netns, which would live on here after they were deleted outside. /run/netns is
 * shared, as `ip netns add` makes it, so that whoever made a mount namespace of its own here sees what comes and goes.
 * First of all, it makes sure that it is not the machine's own /run that it takes away.
 * /etc is a copy, since the agent writes to /etc/netns there. What the shell can do by itself it does, for a process takes a
 * tenth of a second where a processor is emulated.
 */
const script = `
set -e
[ -e /proc/$PPID/ns/mnt ]
if [ /proc/self/ns/mnt -ef /proc/$PPID/ns/mnt ]; then exit 1; fi
mounts=
while read -r id parent device root mount rest; do
  case $mount in /run/*) mounts="$mount $mounts" ;; esac
done < /proc/self/mountinfo
[ -z "$mounts" ] || umount -l $mounts || true
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns
mount --bind --make-shared /run/netns /run/netns
cp -a /etc /run/etc
mount --bind /run/etc /etc
hostname "$1"
ip link set lo up
echo held
exec sleep infinity
`;

/**
 * Starts the one process that keeps a network, a mount and a host name namespace alive; resolves with its number. All
 * that was mounted or made inside goes when it and everything else inside has ended.
 */
export async function hold(hostname: string, env: NodeJS.ProcessEnv): Promise<number> {
  const flags = ["--net", "--mount", "--uts", "--propagation", "private"];
  const child = spawn("unshare", [...flags, "sh", "-c", script, "holder", hostname], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    detached: true,
  });
  let complaint = "";
  child.stderr.on("data", (text) => {
    complaint += text;
  });
  const held = once(child.stdout, "data");
  const ended = once(child, "exit").then(() => {
    throw new LabError(
      "COMMAND_FAILED",
      `Cannot hold namespaces for ${hostname}: expected root's rights, got ${complaint}`,
    );
  });
  await Promise.race([held, ended]);
  ended.catch(() => {}); // its end, later, is the lab's end
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  return child.pid!;
}

/** The program with arguments that runs what follows it in the namespaces a holder keeps. */
export function entryOf(pid: number): [string, ...string[]] {
  return ["nsenter", "--target", String(pid), "--net", "--mount", "--uts", "--"];
}
