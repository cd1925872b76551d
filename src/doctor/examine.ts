import type { Config } from "../config.ts";
import { type Cipher, ciphers } from "../desired/backends/esp.ts";
import { openKernel } from "../kernel/open.ts";
import type { NetworkEntry } from "../observe/answers.ts";
import type { Check, DoctorReport } from "./check.ts";
import { findCharon } from "./facts/charon.ts";
import { findEtcd } from "./facts/etcd.ts";
import { findForwarding } from "./facts/forwarding.ts";
import { findClock, findDescriptors, findState } from "./facts/host.ts";
import { findKernel } from "./facts/kernel.ts";
import { findPorts } from "./facts/ports.ts";
import { findPrivileges } from "./facts/privileges.ts";
import { findConntrack, findNeighbours } from "./facts/tables.ts";
import { findUnderlay } from "./facts/underlay.ts";
import { type AgentFound, isUnread, type KernelFound } from "./found.ts";
import { judgeAgent } from "./verdicts/agent.ts";
import { judgeCharon } from "./verdicts/charon.ts";
import { judgeEtcd } from "./verdicts/etcd.ts";
import { judgeForwarding } from "./verdicts/forwarding.ts";
import { judgeClock, judgeDescriptors, judgeState } from "./verdicts/host.ts";
import { judgeKernel } from "./verdicts/kernel.ts";
import { defaultVxlanPort, ikePorts, judgePorts } from "./verdicts/ports.ts";
import { judgePrivileges } from "./verdicts/privileges.ts";
import { judgeConntrack, judgeNeighbours } from "./verdicts/tables.ts";
import { judgeUnderlay } from "./verdicts/underlay.ts";

/** What is known of the host before it is looked at. */
export interface Patient {
  agent: AgentFound;
  /** What an agent here is, or would be, started with. */
  config: Config;
}

/** Looks at everything a host needs. Changes nothing, but that the kernel loads the modules it is asked for. */
export async function examine({ agent, config }: Patient): Promise<DoctorReport> {
  const status = agent.state === "running" ? agent.status : undefined;
  const joined = agent.state === "running" ? agent.networks.filter((network) => network.joined) : undefined;
  const isEncrypted = joined?.some((network) => network.encrypted);
  const ways = joined?.filter(({ internal }) => !internal).length;
  const vxlan = joined?.flatMap(({ port }) => port ?? []) ?? [];

  const { kernel, forwarding, underlay } = await askKernel(status?.underlay.dev ?? config.underlay);
  const [charon, etcd] = await Promise.all([
    findCharon(config.ipsec.vici),
    findEtcd(status?.etcd.endpoints ?? config.etcd.endpoints, config.etcd),
  ]);
  const ports = findPorts([...ikePorts, ...vxlan, defaultVxlanPort], config.ipsec.vici);
  const descriptors = status && findDescriptors(status.pid);
  const sealing = { ciphers: ciphersOf(kernel), encap: config.ipsec.encapsulation };
  return report([
    ...judgeAgent(agent),
    ...judgePrivileges(findPrivileges()),
    ...judgeKernel(kernel, isEncrypted),
    ...judgeCharon(charon, isEncrypted),
    ...judgePorts(ports, vxlan, isEncrypted),
    ...judgeUnderlay(underlay, joined?.filter(isCarried) ?? [], sealing),
    ...judgeForwarding(forwarding, ways),
    ...judgeNeighbours(findNeighbours()),
    ...judgeConntrack(findConntrack()),
    ...judgeEtcd(etcd, status?.etcd),
    ...judgeClock(findClock()),
    ...judgeState(findState(status?.state ?? config.state, config.ipsec.pskFile)),
    ...(descriptors ? judgeDescriptors(descriptors) : []),
  ]);
}

export function report(checks: readonly Check[]): DoctorReport {
  return { healthy: checks.every(({ verdict }) => verdict !== "wrong"), checks };
}

async function askKernel(device: string) {
  const kernel = await openKernel();
  try {
    return {
      kernel: await findKernel(kernel),
      forwarding: await findForwarding(kernel),
      underlay: await findUnderlay(kernel, device),
    };
  } finally {
    await kernel.close();
  }
}

function isCarried({ refused }: NetworkEntry): boolean {
  return refused === undefined;
}

/** Sizes are reckoned with what the kernel has; where that is not known, with the best. */
function ciphersOf({ ipsec }: KernelFound): readonly Cipher[] {
  return isUnread(ipsec) ? (Object.keys(ciphers) as Cipher[]) : ipsec.ciphers;
}
