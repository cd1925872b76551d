import { Subject } from "rxjs";
import type { RowOf } from "../../src/desired/rows.ts";
import type { Finding } from "../../src/ipam/finding.ts";
import type { NetworkUsage } from "../../src/ipam/usage.ts";
import { cidr, ip } from "../../src/model/address.ts";
import { type Decoded, decode } from "../../src/model/decode.ts";
import type { RecordKey } from "../../src/model/keys.ts";
import { type Revision, revision } from "../../src/model/revision.ts";
import { emptyWorld, put } from "../../src/model/world.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import type { AgentView, NetworkState, WaitResult } from "../../src/observe/view.ts";

/** A view that a test sets as it likes, and that remembers what it was asked to do. */
export interface FakeView extends AgentView {
  readonly events$: Subject<AgentEvent>;
  readonly asked: string[];
}

export const route: RowOf<"route"> = {
  kind: "route",
  scope: "net:blue",
  key: "10.42.118.0/26",
  value: {
    type: "unicast",
    dst: cidr("10.42.118.0/26"),
    dev: "vx0",
    via: ip("10.42.118.1"),
    onlink: true,
    src: ip("10.42.64.64"),
    scope: "global",
  },
  because: ["keyspaces/blue/blocks/10.42.118.0-26" as RecordKey, "networks/blue" as RecordKey],
};

export const link: RowOf<"link"> = {
  kind: "link",
  scope: "net:blue",
  key: "br0",
  value: { type: "bridge", mtu: 1450, up: true },
  because: ["networks/blue" as RecordKey],
};

export const strayLink: Pick<RowOf<"link">, "kind" | "scope" | "key" | "value"> = {
  kind: "link",
  scope: "host",
  key: "sk12ab",
  value: { type: "bridge", mtu: 1500, up: true },
};

const records = {
  "networks/blue": { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1042 } },
  "networks/red": { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1042 }, internal: true },
  "hosts/h1": { address: "192.0.2.1" },
  "hosts/h2": { address: "192.0.2.2" },
  "keyspaces/blue/members/h1": { address: "10.42.64.64", mac: "0e:53:0a:2a:40:40" },
  "keyspaces/blue/members/h2": { address: "10.42.118.0", mac: "0e:53:0a:2a:76:00" },
  "keyspaces/blue/containers/h1/rocketchat": {
    name: "rocketchat",
    ip: "10.42.64.98",
    netns: "/run/netns/rocketchat",
    stack: "rocket-chat",
  },
  "keyspaces/blue/containers/h1/spare": { name: "spare" },
  "keyspaces/blue/containers/h2/mongo": { name: "mongo", ip: "10.42.118.43", mac: "06:00:00:00:00:07" },
};

/** @param more further records, in place of those of the same key */
export function exampleWorld(more: Record<string, object> = {}): AgentView["world"] {
  const world = emptyWorld();
  let created = 1n;
  for (const [key, value] of Object.entries({ ...records, ...more })) {
    const decoded = decode(key, Buffer.from(JSON.stringify(value)));
    if (decoded === undefined || "rejected" in decoded)
      throw new Error(`Cannot use ${key}: ${JSON.stringify(decoded)}`);
    put(world, decoded as Decoded, created++);
  }
  return world;
}

export const blue: NetworkState = {
  net: "blue",
  member: { address: "10.42.64.64", mac: "0e:53:0a:2a:40:40" },
  observed: revision("1042"),
  converged: revision("1040"),
  rows: 42,
  failed: [
    {
      row: route,
      units: ["peer blue h2"],
      failure: { code: "ENETUNREACH", message: "Cannot add route: expected vx0 to be up", next: "retry" },
      attempt: 3,
      retryAt: 0,
    },
  ],
  skipped: [
    {
      key: "keyspaces/blue/containers/h1/spare" as RecordKey,
      code: "ADDRESS_MISSING",
      reason: "it has no ip",
    },
  ],
};

export const red: NetworkState = {
  net: "red",
  member: undefined,
  observed: revision("1042"),
  converged: revision("1042"),
  rows: 0,
  failed: [],
  skipped: [
    {
      key: "networks/red" as RecordKey,
      code: "VNI_TAKEN",
      reason: "vni 1042 belongs to networks/blue, which is older",
    },
  ],
};

export const waited: WaitResult = {
  converged: true,
  revision: revision("1043"),
  hosts: [
    { host: "h1", converged: "1043" as Revision, alive: true, waiting: 0, failed: [] },
    { host: "h2", converged: "1050" as Revision, alive: true, waiting: 0, failed: [] },
  ],
};

export const usage: NetworkUsage = {
  net: "blue",
  cidr: cidr("10.42.0.0/16"),
  size: 65_533,
  used: 5,
  free: 65_527,
  resting: 1,
  borrowed: 2,
  hosts: [
    { host: "h1", blocks: [cidr("10.42.64.64/26")], used: 3, free: 60, borrowed: 0, resting: 1 },
    { host: "h2", blocks: [], used: 2, free: 0, borrowed: 2, resting: 0 },
  ],
};

const leak: Finding = {
  type: "leak",
  net: "blue",
  key: "addresses/blue/10.42.64.70" as RecordKey,
  ip: ip("10.42.64.70"),
  reason: "keyspaces/blue/containers/h1/gone does not have it",
};

/** Ed25519 public keys, as hosts publish them. */
export const oldKey = "l0fmcrGhNe8SBOSNvfmAcAmdoUr2SzH5PrbgxD7gVME=";
export const newKey = "SbwkhMm8KYvMtJv0qjdYKmCbj0FVo5sR3EV5uO9nZnE=";

/** A host with troubles of every sort, unless told otherwise. */
export function fakeView(given: Partial<AgentView> = {}): FakeView {
  const asked: string[] = [];
  return {
    host: "h1",
    version: "0.1.0",
    startedAt: Date.now() - 180_000,
    state: "/var/lib/skein",
    world: exampleWorld(),
    underlay: () => ({ dev: "eth0", address: ip("192.0.2.1"), prefix: cidr("192.0.2.0/24"), mtu: 1500 }),
    etcd: () => ({ endpoints: ["http://192.0.2.10:2379"], prefix: "/skein/v1/", embedded: false }),
    ready: () => true,
    networks: () => [red, blue],
    rejected: () => [{ key: "networks/b\nd", revision: "1041", code: "JSON", reason: "Cannot read record" }],
    braked: () => ({ removals: 40, rows: 42, why: "40 of 42 rows would go unseen" }),
    plan: () => [
      { verb: "add", row: route },
      { verb: "replace", row: link, was: { type: "bridge", mtu: 1400, up: true } },
      { verb: "remove", row: strayLink, held: "the brake" },
    ],
    alive: async () => new Set(["h1"]),
    release() {
      asked.push("release");
      return 40;
    },
    charon: () => ({ type: "unneeded" }),
    tunnels: async () => [],
    rekey: (peer, child) => void asked.push(`rekey ${child} to ${peer}`),
    async rotateKeys() {
      asked.push("rotate");
      return { from: oldKey, to: newKey, state: "announced", waitingFor: ["h2"] };
    },
    async usage(net) {
      return net === undefined || net === "blue" ? [usage] : [];
    },
    async check(net, repair) {
      asked.push(`check ${net} ${repair}`);
      return repair ? [{ ...leak, repaired: true }] : [{ ...leak, repaired: false }];
    },
    async removeHost(host) {
      asked.push(`remove ${host}`);
      return { containers: 1, addresses: 2, blocks: 1, networks: 1 };
    },
    async leave() {
      asked.push("leave");
    },
    async wait(net, at) {
      asked.push(`wait ${net} ${at}`);
      return waited;
    },
    ...given,
    events$: new Subject<AgentEvent>(),
    asked,
  };
}
