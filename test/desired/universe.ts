import fc from "fast-check";
import { type Ip, macOf } from "../../src/model/address.ts";
import type { Op } from "./fold.ts";

/**
 * A world so small that records keep meeting: few addresses, MACs, VNIs and namespaces for many claimants, CIDRs that are
 * equal or overlap, blocks inside one another, hosts that come and go. A tenth of the records are none.
 */
export const nets = ["blue", "gray", "pink", "red"];
export const hosts = ["h1", "h2", "h3"];

const agentIps = ["10.42.0.1", "10.42.0.2", "10.42.0.3", "10.42.0.66", "10.42.0.255", "10.43.0.2", "10.43.0.3"];
const free = ["10.42.0.66", "10.42.0.67", "10.43.0.66"];
const containerIps = [...agentIps, ...free, ...free, ...free, ...free];
const nested = ["10.42.0.64-26", "10.42.0.64-27", "10.42.0.66-32", "10.42.0.66-32", "10.43.0.64-26", "10.43.0.64-28"];
const prefixes = [...nested, ...nested, "10.42.0.0-26", "10.42.0.0-24", "10.0.0.0-8", "0.0.0.0-0"];
const netnsPaths = ["/run/netns/a", "/run/netns/b", "/run/netns/skein-red"];
const macs = ["02:53:0a:2a:00:42", "0a:00:00:00:00:01", "0a:00:00:00:00:01"];

const net = fc.constantFrom(...nets);
const host = fc.constantFrom(...hosts);

const network = fc.record(
  {
    cidr: fc.constantFrom(
      "10.42.0.0/24",
      "10.42.0.0/24",
      "10.42.0.0/25",
      "10.43.0.0/24",
      "192.168.0.0/16",
      "172.31.0.0/16",
    ),
    backend: fc.oneof(
      fc.record({ type: fc.constant("vxlan"), vni: fc.constantFrom(1, 2) }),
      fc.record({ type: fc.constant("host-gw") }),
      fc.record({ type: fc.constant("ipsec") }),
    ),
    encryption: fc.constantFrom("ipsec", "ipsec", "none"),
    internal: fc.boolean(),
    mtu: fc.constant(1300),
    hosts: fc.constantFrom(["h1", "h2"], ["h2", "h3"]),
  },
  { requiredKeys: ["cidr", "backend"] },
);

const key = fc.constantFrom("a", "b").map((letter) => `${letter.repeat(42)}A=`);

const hostRecord = fc.record(
  {
    address: fc.constantFrom("192.168.0.1", "192.168.0.2", "192.168.0.2", "192.168.0.3", "10.9.9.9"),
    ike: fc.record({ keys: fc.array(key, { minLength: 1, maxLength: 2 }) }),
  },
  { requiredKeys: ["address"] },
);

const member = fc.constantFrom(...agentIps).map((address) => ({ address, mac: macOf(address as Ip, "0e") }));

const container = fc.record({
  name: fc.constant("c"),
  ip: fc.option(fc.constantFrom(...containerIps), { nil: undefined, freq: 8 }),
  netns: fc.option(fc.constantFrom(...netnsPaths), { nil: undefined, freq: 2 }),
  mac: fc.option(fc.constantFrom(...macs), { nil: undefined, freq: 1 }),
});

const block = fc.record({ host, state: fc.constantFrom("pending", "confirmed") }, { requiredKeys: ["host"] });

function at(path: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>): fc.Arbitrary<[string, unknown]> {
  return fc.tuple(path, value);
}

const record = fc.oneof(
  {
    weight: 3,
    arbitrary: at(
      net.map((n) => `networks/${n}`),
      network,
    ),
  },
  {
    weight: 2,
    arbitrary: at(
      host.map((h) => `hosts/${h}`),
      hostRecord,
    ),
  },
  {
    weight: 4,
    arbitrary: at(
      fc.tuple(net, host).map(([n, h]) => `keyspaces/${n}/members/${h}`),
      member,
    ),
  },
  {
    weight: 6,
    arbitrary: at(
      fc.tuple(net, host, fc.constantFrom("a", "b")).map(([n, h, id]) => `keyspaces/${n}/containers/${h}/${id}`),
      container,
    ),
  },
  {
    weight: 4,
    arbitrary: at(
      fc.tuple(net, fc.constantFrom(...prefixes)).map(([n, b]) => `keyspaces/${n}/blocks/${b}`),
      block,
    ),
  },
);

/** Few revisions, so that some are equal, as in one transaction. */
const created = fc.bigInt(1n, 6n);

export const put: fc.Arbitrary<Op> = fc
  .tuple(record, created, fc.integer({ min: 0, max: 9 }))
  .map(([[key, value], created, luck]) => ({ key, value: luck === 0 ? "{}" : value, created }));

/** Networks whose hosts are all members, as most are: random records alone are mostly refused before anything meets. */
function settled(...nets: string[]): Op[] {
  const networks: Record<string, unknown> = {
    blue: { cidr: "10.42.0.0/24", backend: { type: "vxlan", vni: 1 } },
    gray: { cidr: "10.43.0.0/24", backend: { type: "host-gw" } },
    red: { cidr: "10.42.0.0/24", backend: { type: "vxlan", vni: 2 }, encryption: "ipsec" },
    pink: { cidr: "10.42.0.0/24" },
  };
  const records: [string, unknown][] = [
    ...hosts.map((h, i): [string, unknown] => [
      `hosts/${h}`,
      { address: `192.168.0.${i + 1}`, ike: { keys: [`${"k".repeat(42)}A=`] } },
    ]),
    ...nets.map((n): [string, unknown] => [`networks/${n}`, networks[n]]),
    ...nets.flatMap((n) =>
      hosts.map((h, i): [string, unknown] => {
        const third = n === "gray" ? 43 : 42;
        const mac = `0e:53:0a:${third.toString(16)}:00:0${i + 2}`;
        return [`keyspaces/${n}/members/${h}`, { address: `10.${third}.0.${i + 2}`, mac }];
      }),
    ),
  ];
  return records.map(([key, value]) => ({ key, value, created: 3n }));
}

const start = fc.constantFrom(
  [],
  settled("blue"),
  settled("blue"),
  settled("gray"),
  settled("blue", "red"),
  settled("pink"),
  settled("pink", "red"),
  settled("blue", "gray", "red"),
  settled("blue", "gray", "pink", "red"),
);

const change: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: put },
  { weight: 1, arbitrary: put.map(({ key, created }) => ({ key, created })) },
);

/** A world's beginning and the changes after it. */
export const changes: fc.Arbitrary<Op[]> = fc
  .tuple(start, fc.array(change, { maxLength: 40, size: "max" }))
  .map(([begin, ops]) => [...begin, ...ops]);

/** Puts whose records keep their created revision for life: etcd gives another to a record that was deleted between. */
export const puts: fc.Arbitrary<Op[]> = changes.map((ops) => {
  const fixed = new Map<string, bigint>();
  for (const { key, created } of ops) if (!fixed.has(key)) fixed.set(key, created);
  return ops.flatMap((op) => (op.value === undefined ? [] : { ...op, created: fixed.get(op.key) ?? op.created }));
});

/** The last word about each key. */
export function finals(ops: readonly Op[]): Op[] {
  return [...new Map(ops.map((op) => [op.key, op])).values()];
}

/** One change on one line, for counterexamples. */
export function spell({ key, value, created }: Op): string {
  return value === undefined ? `delete ${key}` : `put ${key} ${JSON.stringify(value)} created ${created}`;
}

/** Says a counterexample the way an operator would type it, where fast-check would print one long line of JSON. */
export function reporter<T>({ failed, errorInstance, counterexamplePath, numRuns, seed }: fc.RunDetails<T>): void {
  if (!failed) return;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(`after ${numRuns} runs (seed ${seed}, path ${counterexamplePath}): ${why}`, { cause: errorInstance });
}
