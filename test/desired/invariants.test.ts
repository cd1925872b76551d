import fc from "fast-check";
import { describe, it } from "vitest";
import type { Inputs } from "../../src/desired/inputs.ts";
import { misplaced } from "../../src/desired/place.ts";
import { describeRow } from "../../src/desired/print.ts";
import type { Row } from "../../src/desired/rows.ts";
import { networkOf, type UnitId } from "../../src/desired/units.ts";
import { type Cidr, cidr, contains, type Ip, overlaps, prefixLength } from "../../src/model/address.ts";
import { isEncrypted } from "../../src/model/network.ts";
import type { World } from "../../src/model/world.ts";
import { rowId } from "../../src/reconcile/kind.ts";
import { deriveAll, difference, type Op, print, type Result, self, worldOf } from "./fold.ts";
import { changes, finals, nets, reporter, spell } from "./universe.ts";

const options = { numRuns: Number(process.env.FC_RUNS ?? 400), reporter };
const cramped = { ...self, uplinks: cidr("169.254.64.0/29") };

/** Checks something of every world there may be; what it answers are the faults it found. */
function always(find: (result: Result, inputs: Inputs, ops: readonly Op[]) => Iterable<string>, self = cramped): void {
  const property = fc.property(changes, (ops) => {
    const inputs = { world: worldOf(ops), self };
    const faults = [...find(deriveAll(inputs), inputs, ops)];
    if (faults.length > 0) throw new Error(`in\n${finals(ops).map(spell).join("\n")}\n\n${faults.join("\n")}`);
  });
  fc.assert(property, options);
}

function rowsOf(result: Result): Row[] {
  return [...result.values()].flatMap(({ rows }) => rows);
}

describe("in any world", { timeout: 60_000 }, () => {
  it("no unit says a row twice, and no two units wish a row with different values", () => {
    always(function* (result) {
      const wished = new Map<string, { unit: UnitId; value: string }>();
      for (const [unit, { rows }] of result) {
        for (const row of rows) {
          const [id, value] = [rowId(row), JSON.stringify(row.value)];
          const other = wished.get(id);
          if (other?.unit === unit) yield `${unit} says ${id} twice`;
          else if (other && other.value !== value) yield `${id}: ${unit} wishes ${value}, ${other.unit} ${other.value}`;
          wished.set(id, { unit, value });
        }
      }
    });
  });

  it("every row has a cause, and causes are records there are", () => {
    always(function* (result, { world }) {
      const keys = keysOf(world);
      for (const row of rowsOf(result)) {
        if (row.because.length === 0) yield `no cause: ${describeRow(row)}`;
        for (const key of row.because) if (!keys.has(key)) yield `no record ${key}: ${describeRow(row)}`;
      }
    });
  });

  it("no route in the host's namespace leads the underlay, etcd, uplinks or everything elsewhere", () => {
    always(
      function* (result, { self }) {
        for (const row of rowsOf(result)) {
          if (row.kind !== "route" || row.scope !== "host") continue;
          const dst = row.key as Cidr;
          const kept = [self.uplinks, ...self.protected.map(({ prefix }) => prefix)];
          if (kept.some((prefix) => overlaps(prefix, dst))) yield describeRow(row);
        }
      },
      { ...self, uplinks: cidr("10.42.0.192/29") },
    );
  });

  it("what is skipped leads to no row, in its own unit or in any other", () => {
    always(function* (result) {
      const rows = rowsOf(result);
      for (const [unit, { rows: own, skipped }] of result) {
        if (skipped && own.length > 0) yield `${unit} has rows though ${skipped.code}`;
        if (!unit.startsWith("endpoint ") || !skipped) continue;
        const row = rows.find(({ because }) => because.includes(skipped.key));
        if (row) yield `${skipped.key} is skipped, but leads to ${describeRow(row)}`;
      }
    });
  });

  it("a row stands on rows: its device is a link there, its set a set, its namespace made", () => {
    always(function* (result, { self }) {
      const rows = rowsOf(result);
      const ids = new Set(rows.map(rowId));
      for (const row of rows)
        for (const id of groundsOf(row, self.underlay.dev)) if (!ids.has(id)) yield `no ${id} for ${describeRow(row)}`;
    });
  });

  it("a link that carries packets of others has its guards", () => {
    always(function* (result) {
      const rows = rowsOf(result);
      const ids = new Set(rows.map(rowId));
      for (const row of rows) {
        if (row.kind !== "link" || !row.scope.startsWith("net:")) continue;
        const net = row.scope.slice("net:".length);
        const guarded = (...chains: string[]) =>
          chains.every((name) => ids.has(`guard host inet chain ${name}-${net}`));
        if (row.value.type === "vxlan" && !guarded("vxlan", "transit")) yield `open tunnel of ${net}`;
        if (row.value.type === "bridge" && !ids.has(`guard ${row.scope} bridge chain ports`))
          yield `open bridge of ${net}`;
        if (row.value.type === "veth-peer" && !guarded("forward", "input")) yield `open uplink of ${net}`;
        const permit = (other: Row) =>
          other.kind === "guard" &&
          other.scope === row.scope &&
          other.key.startsWith(`bridge element endpoints ${row.key} . `);
        if (row.value.type === "veth" && rows.filter(permit).length !== 1)
          yield `port ${row.key} may not send as itself only`;
      }
    });
  });

  it("no two tunnels have one VNI, and no route of the host's two networks", () => {
    always(function* (result) {
      const seen = new Map<string, string>();
      for (const [unit, { rows }] of result) {
        for (const row of rows) {
          const shared =
            row.kind === "route" && row.scope === "host"
              ? row.key
              : row.kind === "link" && row.value.type === "vxlan" && `vni ${row.value.vni}`;
          if (!shared) continue;
          const other = seen.get(shared);
          if (other !== undefined && other !== networkOf(unit)) yield `${shared} is of ${other} and ${networkOf(unit)}`;
          seen.set(shared, networkOf(unit));
        }
      }
    });
  });

  it("no two ports of one bridge may send from one MAC", () => {
    always(function* (result) {
      const seen = new Map<string, UnitId>();
      for (const [unit, { rows }] of result) {
        for (const row of rows) {
          if (row.kind !== "link" || row.value.type !== "veth" || row.value.master === undefined) continue;
          const wearer = `${row.scope} ${row.value.peer.mac}`;
          const other = seen.get(wearer);
          if (other !== undefined) yield `${wearer} is of ${other} and ${unit}`;
          seen.set(wearer, unit);
        }
      }
    });
  });

  it("no address is on two links of one namespace", () => {
    always(function* (result) {
      const seen = new Map<string, string>();
      for (const row of rowsOf(result)) {
        if (row.kind !== "address") continue;
        const [address] = row.value.address.split("/");
        const place = `${row.scope} ${address}`;
        const other = seen.get(place);
        if (other !== undefined && other !== row.value.dev) yield `${place} is on ${other} and ${row.value.dev}`;
        seen.set(place, row.value.dev);
      }
    });
  });

  it("the longest route to an address leads to the host of the container that has it", () => {
    always(function* (result, inputs) {
      const rows = rowsOf(result);
      for (const { net, backend, entry, ip } of reachable(result, inputs)) {
        const own = entry.host === inputs.self.host;
        const scope = backend === "host-gw" ? "host" : `net:${net}`;
        const route = longest(
          rows.filter((row) => row.scope === scope),
          ip,
        );
        const { dev, via } = { dev: undefined, via: undefined, ...route?.value };
        const member = inputs.world.keyspaces.get(net)?.members.get(entry.host)?.value.address;
        const host = inputs.world.hosts.get(entry.host)?.value.address;
        const hop = { vxlan: member, "host-gw": host, ipsec: host }[backend];
        const leads = () => (backend === "ipsec" ? dev === "xf0" && outerTo(rows, net, ip) === host : via === hop);
        const right = own ? dev === (backend === "host-gw" ? `sku-${net}` : "br0") : leads();
        if (!right)
          yield `${entry.key} at ${ip} is behind ${hop}, but ${route ? describeRow(route) : "there is no route"}`;
      }
    });
  });

  it("nothing of an encrypted network has a way but through ESP", () => {
    always(function* (result, { world }) {
      const rows = rowsOf(result);
      const policies = rows.flatMap((row) => (row.kind === "policy" ? row.value : []));
      for (const row of rows) {
        const net = row.scope.slice("net:".length);
        const network = world.networks.get(net)?.value;
        if (!row.scope.startsWith("net:") || !network || !isEncrypted(network)) continue;
        if (row.kind === "route" && row.value.type === "unicast" && row.value.dev === "xf0") {
          if (outerTo(rows, net, row.key.split("/")[0] as Ip) === undefined) yield `no policy for ${describeRow(row)}`;
        }
        if (row.kind === "fdb") {
          const { dst } = row.value;
          const isCovered = (dir: string) =>
            policies.some((policy) => policy.dir === dir && policy.udp === 4789 && contains(remoteOf(policy), dst));
          if (!isCovered("out") || !isCovered("in")) yield `no policy for ${describeRow(row)}`;
        }
        if (row.kind === "link" && row.value.type === "vxlan") {
          const rules = rows.flatMap(({ kind, value }) =>
            kind === "guard" && value.object === "chain" && value.name.endsWith(`-${net}`) ? value.rules : [],
          );
          for (const sealed of [/ rt ipsec missing drop$/, / meta ipsec missing drop$/])
            if (!rules.some((rule) => sealed.test(rule) && rule.includes(`4789 @th,96,24 ${vniOf(row)} `)))
              yield `${describeRow(row)} lacks ${sealed}`;
        }
      }
    });
  });

  it("a network's rows are what they would be without the other networks, but for what is said to be taken", () => {
    const taken = ["VNI_TAKEN", "CIDR_TAKEN", "NETNS_TAKEN"];
    always(function* (result, { self }, ops) {
      const records = finals(ops);
      for (const net of nets) {
        const foreign = new RegExp(`^(networks/(?!${net}$)|keyspaces/(?!${net}/))`);
        const alone = deriveAll({ world: worldOf(records.filter(({ key }) => !foreign.test(key))), self });
        const among = new Map([...result].filter(([unit]) => networkOf(unit) === net));
        const lost = [...among].filter(([, { skipped }]) => skipped && taken.includes(skipped.code));
        if (lost.some(([unit]) => unit === `network ${net}`)) continue;
        for (const [unit] of lost) for (const side of [alone, among]) side.delete(unit);
        yield* difference(print(alone), print(among)).split("\n").filter(Boolean);
      }
    }, self);
  });
});

/** Ids of rows that must be wished too for this one to be applied. */
function* groundsOf(row: Row, underlay: string): Generator<string> {
  if (row.scope.startsWith("net:")) yield `namespace host skein-${row.scope.slice("net:".length)}`;
  const dev = devOf(row);
  if (dev !== undefined && !(row.scope === "host" && dev === underlay)) yield `link ${row.scope} ${dev}`;
  if (row.kind === "link" && row.value.type === "veth") {
    yield `link ${row.value.peer.scope} ${row.value.peer.name}`;
    if (row.value.master) yield `link ${row.scope} ${row.value.master}`;
  }
  if (row.kind !== "guard") return;
  const { value } = row;
  if (value.object === "element") yield `guard ${row.scope} ${value.family} set ${value.set}`;
  if (value.object === "chain")
    for (const [, set] of value.rules.join(" ").matchAll(/@([a-z][\w.-]*)/g))
      if (set !== "th") yield `guard ${row.scope} ${value.family} set ${set}`;
}

function devOf({ value }: Row): string | undefined {
  return "dev" in value ? value.dev : undefined;
}

function keysOf(world: World): Set<string> {
  const keys = [...world.networks.values(), ...world.hosts.values()].map(({ key }) => key);
  for (const { members, blocks, containers } of world.keyspaces.values()) {
    for (const { key } of [...members.values(), ...blocks.values()]) keys.push(key);
    for (const ofHost of containers.values()) for (const { key } of ofHost.values()) keys.push(key);
  }
  return new Set(keys);
}

/** Containers with an address that this host can reach: nobody has an older claim, and nothing of them is skipped. */
function* reachable(result: Result, { world, self }: Inputs) {
  for (const [net, { containers, members }] of world.keyspaces) {
    const network = world.networks.get(net)?.value;
    if (!network || !result.get(`network ${net}`)?.rows.length) continue;
    const backend = network.backend.type;
    const entries = [...containers.values()].flatMap((ofHost) => [...ofHost.values()]);
    const agents = new Set([...members.values()].map(({ value }) => value.address));
    const reached = (host: string) => members.has(host) && !result.get(`peer ${net} ${host}`)?.skipped;
    for (const entry of entries) {
      const { ip, netns } = entry.value;
      if (ip === undefined || agents.has(ip) || misplaced(network, ip)) continue;
      if (entry.host === self.host ? backend !== "host-gw" && netns === undefined : !reached(entry.host)) continue;
      const rivals = entries.filter(({ value }) => value.ip === ip);
      const [owner] = rivals.sort((a, b) => Number(a.created - b.created) || (a.key < b.key ? -1 : 1));
      if (owner !== entry || result.get(`endpoint ${net} ${entry.host}/${entry.id}`)?.skipped) continue;
      yield { net, backend, entry, ip };
    }
  }
}

/** Where the network's xfrm interface sends what is for `ip`: the first policy is the one of least priority. */
function outerTo(rows: readonly Row[], net: string, ip: Ip): Ip | undefined {
  const link = rows.find(({ kind, scope, key }) => kind === "link" && scope === `net:${net}` && key === "xf0");
  const ifId = link?.kind === "link" && link.value.type === "xfrm" ? link.value.ifId : undefined;
  const matching = rows.flatMap(({ kind, value }) =>
    kind === "policy" && value.dir === "out" && value.ifId === ifId && contains(value.dst, ip) ? value : [],
  );
  return matching.sort((a, b) => a.priority - b.priority)[0]?.outer?.dst;
}

function remoteOf({ dir, src, dst }: Extract<Row, { kind: "policy" }>["value"]): Cidr {
  return dir === "out" ? dst : src;
}

function vniOf(row: Row): number | undefined {
  return row.kind === "link" && row.value.type === "vxlan" ? row.value.vni : undefined;
}

function longest(rows: readonly Row[], ip: Ip): Extract<Row, { kind: "route" }> | undefined {
  const leading = rows.flatMap((row) => (row.kind === "route" && contains(row.key as Cidr, ip) ? row : []));
  return leading.sort((a, b) => prefixLength(b.key as Cidr) - prefixLength(a.key as Cidr))[0];
}
