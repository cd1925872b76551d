/**
 * What the agent's API answers, and what `--json` prints: stable, in the sense that names and meanings stay and new ones
 * may come. Times are ISO 8601, durations end in `Ms`, revisions are decimal text, absent members do not apply.
 */

/** `GET /v1/status` */
export interface StatusAnswer {
  host: string;
  version: string;
  pid: number;
  startedAt: string;
  /** Everything declared was applied, failed with a retry set, or held, at least once. */
  ready: boolean;
  underlay: { dev: string; address: string; prefix: string; mtu: number };
  etcd: { endpoints: readonly string[]; prefix: string; embedded: boolean; staleSince?: string; why?: string };
  /** The directory that outlives restarts. */
  state: string;
  charon: CharonAnswer;
  /** Removals are held until `skein release`. */
  brake?: { removals: number; rows: number; why: string };
  networks: readonly NetworkStatus[];
  /** Keys whose values are no records. */
  rejected: readonly { key: string; revision: string; code: string; reason: string }[];
}

/** strongSwan's daemon. Away: tunnels stay as they are. Unneeded: this host takes part in no encrypted network. */
export type CharonAnswer =
  | { state: "unneeded" }
  | { state: "connected"; version: string }
  | { state: "away"; since: string; why: string };

export interface NetworkStatus {
  network: string;
  /** Absent where this host takes no part. */
  member?: { address: string; mac: string };
  /** Every record up to this revision has been seen; the kernel holds what they said at the second. */
  observed: string;
  converged: string;
  rows: number;
  /** Whether this host answers for names below the domain; absent where it takes no part. While `etcd.staleSince` is
   * there, answers are as old as that. */
  names?: { domain: string; serving: boolean };
  /** To peers; absent where the network is not encrypted, or this host takes no part. `why` the first is not up. */
  tunnels?: { wanted: number; up: number; why?: string };
  failed: readonly FailedStatus[];
  skipped: readonly { key: string; code: string; reason: string }[];
}

export interface FailedStatus {
  /** In the words of ip, bridge, nft and sysctl. */
  row: string;
  code: string;
  message: string;
  attempt: number;
  retryMs: number;
  because: readonly string[];
}

/** `GET /v1/plan` */
export interface PlanAnswer {
  host: string;
  operations: readonly PlanOperation[];
}

export interface PlanOperation {
  verb: "add" | "replace" | "remove";
  kind: string;
  scope: string;
  key: string;
  text: string;
  /** Of a replacement: what is there now. */
  was?: string;
  /** Records the row follows from, the nearest first; empty for what no record asks for any more. */
  because: readonly string[];
  /** Why it is not done yet. */
  held?: string;
}

/** `GET /v1/networks` */
export interface NetworksAnswer {
  networks: readonly NetworkEntry[];
}

export interface NetworkEntry {
  network: string;
  cidr: string;
  backend: "ipsec" | "vxlan" | "host-gw";
  vni?: number;
  /** UDP port of VXLAN. */
  port?: number;
  encrypted: boolean;
  /** The upper bound that its record sets. */
  mtu?: number;
  internal: boolean;
  members: number;
  containers: number;
  /** Whether this host takes part. */
  joined: boolean;
  /** Why this host could not. */
  refused?: string;
}

/** `GET /v1/hosts` */
export interface HostsAnswer {
  hosts: readonly HostEntry[];
}

export interface HostEntry {
  host: string;
  /** On the underlay; absent for a host that is named only by containers. */
  address?: string;
  /** Whether its agent holds its lease; absent while etcd is away. */
  alive?: boolean;
  networks: readonly { network: string; address: string }[];
  containers: number;
  /** Whether it is the host that answers. */
  self: boolean;
}

/** `GET /v1/containers?network=NET` */
export interface ContainersAnswer {
  containers: readonly ContainerEntry[];
}

export interface ContainerEntry {
  network: string;
  host: string;
  id: string;
  name: string;
  ip?: string;
  mac?: string;
  netns?: string;
  stack?: string;
  service?: string;
  /** Why it is not attached, where this host knows of a reason. */
  problem?: string;
}

/** `GET /v1/wait?network=NET&revision=R|now&timeout=SECONDS` */
export interface WaitAnswer {
  network: string;
  converged: boolean;
  revision: string;
  tookMs: number;
  hosts: readonly {
    host: string;
    converged?: string;
    alive: boolean;
    waiting: number;
    failed: readonly string[];
    tunnels?: { wanted: number; up: number; why?: string };
  }[];
}

/** `GET /v1/ready?timeout=SECONDS`; status 503 while it is not. */
export interface ReadyAnswer {
  ready: boolean;
}

/** `GET /v1/ipam?network=NET`; counts are of addresses. */
export interface IpamAnswer {
  networks: readonly IpamNetwork[];
}

export interface IpamNetwork {
  network: string;
  cidr: string;
  /** All that can be given out. */
  size: number;
  blocks: number;
  used: number;
  free: number;
  /** Held outside of their host's blocks: each is a route of its own on every host. */
  borrowed: number;
  /** Released, and not given out again yet. */
  resting: number;
  hosts: readonly {
    host: string;
    blocks: readonly string[];
    used: number;
    free: number;
    borrowed: number;
    resting: number;
  }[];
}

/** `POST /v1/ipam/check?network=NET&repair=true` */
export interface IpamCheckAnswer {
  findings: readonly IpamFinding[];
}

export interface IpamFinding {
  type: "leak" | "double" | "unclaimed" | "outside" | "malformed" | "stray-block" | "pending-block";
  network: string;
  /** Where it shows. */
  key: string;
  reason: string;
  repaired: boolean;
}

/** `POST /v1/hosts/remove?host=NAME&force=true` */
export interface HostRemoveAnswer {
  host: string;
  containers: number;
  addresses: number;
  blocks: number;
  networks: number;
}

/** `GET /v1/tunnels?network=NET`: one entry a network and peer; networks of one VXLAN port share their SAs. */
export interface TunnelsAnswer {
  host: string;
  charon: CharonAnswer;
  tunnels: readonly TunnelEntry[];
}

export type TunnelEntry = { network: string; peer: string } & (
  | TunnelUpEntry
  | { state: "connecting"; attempt: number; why?: string }
  | { state: "down"; attempt: number; retryMs?: number; why: string }
  /** charon does not answer: what stands stays. */
  | { state: "unknown"; why: string }
);

export interface TunnelUpEntry {
  state: "up";
  mode: "tunnel" | "transport";
  /** Of ESP, with its key size. */
  cipher: string;
  /** Of the IKE_SA. */
  ike: string;
  /** ESP in UDP. */
  encap: boolean;
  /** On the underlay, as in 192.0.2.1:4500. */
  local: string;
  remote: string;
  /** Whether this host began it. */
  initiator: boolean;
  /** Its SAs were made or last rekeyed then. */
  since: string;
  rekeyInMs?: number;
  ikeSince: string;
  ikeRekeyInMs?: number;
  spiIn: string;
  spiOut: string;
  /** Since the last rekeying. */
  bytesIn: number;
  bytesOut: number;
  packetsIn: number;
  packetsOut: number;
}

/** `GET /v1/keys`: Ed25519 public keys in base64, as hosts publish them. */
export interface KeysAnswer {
  host: string;
  hosts: readonly { host: string; keys: readonly string[]; self: boolean }[];
}

/** `POST /v1/tunnels/rekey?network=&peer=`: new keys are being made for these. */
export interface RekeyAnswer {
  host: string;
  tunnels: readonly { network: string; peer: string }[];
}

/** `POST /v1/keys/rotate`; asked again it goes on, and says how far it is. */
export interface KeyRotateAnswer {
  host: string;
  from: string;
  to: string;
  /** `announced`: peers are told of the new key, and the old one is in use. */
  state: "announced" | "done";
  /** Hosts that do not accept the new key yet. */
  waitingFor: readonly string[];
}

/** `POST /v1/release` */
export interface ReleaseAnswer {
  removals: number;
}

/** `POST /v1/leave` */
export interface LeaveAnswer {
  left: true;
}

/** Any answer that is none: with a status of 400 and above. */
export interface FaultAnswer {
  code: string;
  message: string;
}
