import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { type Figure, msBetween, type Row, rounded, spread } from "./figure.ts";
import { converge, type Installation, install, namespacesOf, onStage, type Stage } from "./stage.ts";
import { net } from "./world.ts";

const rounds = 8;
/** So that a poll is met at any point of its period. */
const spacingMs = 130;

/** By sysctl(8)'s name: what is wrong. The first three have notifications, the others are found by looking. */
const settings: Record<string, string> = {
  "net.ipv4.ip_forward": "0",
  "net.ipv4.conf.br0.proxy_arp": "0",
  "net.ipv4.conf.br0.rp_filter": "1",
  "net.ipv4.conf.br0.send_redirects": "1",
  "net.ipv4.neigh.br0.proxy_delay": "80",
};

/** What the kernel tells less of: rules of nftables, and sysctls. */
export const slowRepair: Row = { name: "slow-repair", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: 10, containersEach: 0 });
  await converge(installation);
  await stage.witness.open("h1", namespacesOf(installation.host).own);
  const rules: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await pause(spacingMs);
    rules.push(await deleteRule(stage, installation));
  }
  const sysctls: number[] = [];
  for (const [name, value] of Object.entries(settings)) {
    for (let round = 0; round < rounds; round++) {
      await pause(spacingMs);
      sysctls.push(await changeSysctl(installation, name, value));
    }
  }
  return [
    figure("nft rule deleted: back after, worst", rules),
    figure(`sysctl changed (${Object.keys(settings).length} sorts): right again after, worst`, sysctls),
  ];
}

function figure(what: string, samples: readonly number[]): Figure {
  const { p50, worst, count } = spread(samples);
  const note = `${count} times, p50 ${rounded(p50)} ms`;
  return { what, value: worst, unit: "ms", reach: "<= 1000 ms", holds: worst <= 1_000, note };
}

/** The first rule of the VXLAN guard's chain; another chain each time would have other rules. */
async function deleteRule({ witness }: Stage, { host }: Installation): Promise<number> {
  const chain = `vxlan-${net}`;
  const { nftables } = JSON.parse(await host.output("nft", ["-j", "-a", "list", "chain", "inet", "skein", chain]));
  const { handle } = nftables.find((entry: { rule?: { handle: number } }) => entry.rule).rule;
  const deleted = witness.heard([`h1 - rule ${chain}`]);
  const returned = witness.heard([`h1 + rule ${chain}`]);
  await host.output("nft", ["delete", "rule", "inet", "skein", chain, "handle", String(handle)]);
  return msBetween(await deleted, await returned);
}

/** Written and watched from a process of its own, inside the namespace. */
async function changeSysctl({ host }: Installation, name: string, value: string): Promise<number> {
  const script = join(import.meta.dirname, "witness/sysctl.ts");
  const child = host.in(`skein-${net}`).spawn(process.execPath, [script, name, value]);
  const closed = once(child, "close");
  child.stderr.pipe(process.stderr);
  for await (const line of createInterface({ input: child.stdout })) {
    await closed;
    return Number(line);
  }
  throw new Error(`Cannot time the repair of ${name}: expected it to be right again, got no answer`);
}
