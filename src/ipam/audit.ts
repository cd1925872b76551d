import { misplaced } from "../desired/place.ts";
import { type Cidr, contains, firstOf, fromNumber, type Ip, sizeOf, toNumber } from "../model/address.ts";
import { blockName, isConfirmed } from "../model/block.ts";
import { backingKey, type Owner } from "../model/claim.ts";
import { agentAt, claimants, oldest } from "../model/claims.ts";
import { keyOf, type RecordKey } from "../model/keys.ts";
import type { Keyspace, World } from "../model/world.ts";
import { claimKey } from "./claim-store.ts";
import type { Finding } from "./finding.ts";
import type { KnownClaim } from "./pool.ts";

/** Compares one network's claims with its records: sees every claim, then says what does not fit. */
export interface Audit {
  see(claim: KnownClaim): void;
  end(): Finding[];
}

/** @param now milliseconds of the Unix epoch. Holds an address a claim, not the claims. */
export function createAudit(net: string, world: World, now: number): Audit {
  const findings: Finding[] = [];
  const claimed = new Set<Ip>();
  const network = world.networks.get(net)?.value;
  const keyspace = world.keyspaces.get(net);

  function see({ ip, claim }: KnownClaim): void {
    const key = claimKey(net, ip);
    if (claim === undefined) {
      findings.push({ type: "malformed", net, key, ip, reason: "what stands there is no claim" });
    } else if (claim.state === "held") {
      const held = backing(keyspace, claim.owner, ip);
      if (held === "rightly") claimed.add(ip);
      else if (held === "no")
        findings.push({ type: "leak", net, key, ip, reason: `${backingKey(net, claim.owner)} does not have it` });
    } else if (network === undefined || claim.releasedAt + restedFor * network.restSeconds * 1000 < now) {
      findings.push({ type: "rested", net, key, ip, reason: "it rested long enough" });
    }
  }

  return {
    see,
    end() {
      if (network && keyspace) {
        for (const [ip, key] of named(keyspace)) {
          const odd = misplaced(network, ip);
          if (odd) findings.push({ type: "outside", net, key, ip, record: key, reason: odd.reason });
          else if (!claimed.has(ip)) {
            const reason = `${key} has it, and no claim says so`;
            findings.push({ type: "unclaimed", net, key: claimKey(net, ip), ip, record: key, reason });
          }
        }
        for (const double of doubles(net, keyspace)) findings.push(double);
      }
      if (keyspace) findings.push(...blockFindings(net, keyspace, world, claimed));
      return findings;
    },
  };
}

/** Rests that an address is remembered for: it is given again, the longest rested first, and only then forgotten. */
const restedFor = 20;

/** Whether the record that a claim stands for names the address, and has it by age. */
function backing(keyspace: Keyspace | undefined, { host, container }: Owner, ip: Ip): "rightly" | "younger" | "no" {
  if (keyspace === undefined) return "no";
  if (container === undefined) {
    if (keyspace.members.get(host)?.value.address !== ip) return "no";
    return agentAt(keyspace, ip) === host ? "rightly" : "younger";
  }
  const record = keyspace.containers.get(host)?.get(container);
  if (record?.value.ip !== ip) return "no";
  return agentAt(keyspace, ip) === undefined && oldest(claimants(keyspace.byIp, ip)) === record ? "rightly" : "younger";
}

/** Every address that some record has, with the record that has it by right. */
function* named(keyspace: Keyspace): Generator<[Ip, RecordKey]> {
  for (const ip of keyspace.byAgent.keys()) {
    const member = keyspace.members.get(agentAt(keyspace, ip) ?? "");
    if (member) yield [ip, member.key];
  }
  for (const ip of keyspace.byIp.keys()) {
    const first = agentAt(keyspace, ip) !== undefined ? undefined : oldest(claimants(keyspace.byIp, ip));
    if (first) yield [ip, first.key];
  }
}

function* doubles(net: string, keyspace: Keyspace): Generator<Finding> {
  const members = ([ip, hosts]: [Ip, Set<string>]): [Ip, RecordKey[]] => [
    ip,
    [...hosts].map((host) => keyOf({ type: "member", net, host })),
  ];
  const shared = [
    ...[...keyspace.byAgent].filter(([ip, hosts]) => hosts.size > 1 || keyspace.byIp.has(ip)).map(members),
    ...[...keyspace.byIp].flatMap(([ip, held]): [Ip, RecordKey[]][] =>
      held instanceof Set && !keyspace.byAgent.has(ip) ? [[ip, []]] : [],
    ),
  ];
  for (const [ip, agents] of shared) {
    const records = [...agents, ...claimants(keyspace.byIp, ip).map(({ key }) => key)].sort();
    const reason = `${records.length} records name it: ${records.join(", ")}`;
    yield { type: "double", net, key: claimKey(net, ip), ip, records, reason };
  }
}

function* blockFindings(net: string, keyspace: Keyspace, world: World, claimed: ReadonlySet<Ip>): Generator<Finding> {
  for (const [host, prefixes] of keyspace.blocksByHost) {
    const unused: Finding[] = [];
    let used = 0;
    for (const prefix of [...prefixes].sort()) {
      const block = keyspace.blocks.get(prefix);
      if (block === undefined) continue;
      const at = { net, key: keyOf({ type: "block", net, block: blockName(prefix) }), prefix, host };
      if (!world.hosts.has(host)) yield { type: "stray-block", ...at, reason: `there is no record hosts/${host}` };
      else if (!isConfirmed(block.value))
        yield { type: "pending-block", ...at, reason: `host ${host} asked for it and did not take it` };
      else if (isUsed(keyspace, prefix, claimed)) used++;
      else unused.push({ type: "spare-block", ...at, reason: `host ${host} uses no address of it` });
    }
    // A member keeps one in any case.
    yield* used === 0 && keyspace.members.has(host) ? unused.slice(1) : unused;
  }
}

function isUsed(keyspace: Keyspace, prefix: Cidr, claimed: ReadonlySet<Ip>): boolean {
  const { byIp, byAgent } = keyspace;
  if (sizeOf(prefix) > byIp.size + byAgent.size + claimed.size)
    return [byIp.keys(), byAgent.keys(), claimed].some((ips) => [...ips].some((ip) => contains(prefix, ip)));
  const first = toNumber(firstOf(prefix));
  for (let n = first; n < first + sizeOf(prefix); n++) {
    const ip = fromNumber(n);
    if (byIp.has(ip) || byAgent.has(ip) || claimed.has(ip)) return true;
  }
  return false;
}
