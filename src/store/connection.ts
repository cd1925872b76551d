import { readFileSync } from "node:fs";
import type { IOptions } from "etcd3";
import { once, passOver } from "./hosts.ts";

/** Where etcd is and who we are to it. */
export interface ConnectOptions {
  /** `http://host:port`, `https://host:port` or `unix:/path`; one kind only. Any of them may be down. */
  endpoints: readonly string[];
  /** Paths of PEM files. `ca` absent: the system's authorities; `cert` and `key` for mutual TLS. */
  tls?: { ca?: string; cert?: string; key?: string };
  user?: { name: string; password: string };
  /** Keys of the installation begin so; a slash is added where missing. `/skein/v1` unless told otherwise. */
  prefix?: string;
  /** Milliseconds one call may take, 3000 unless told otherwise: without a deadline a hung etcd hangs the call for ever. */
  deadlineMs?: number;
}

/** @throws TypeError on endpoints that etcd3 cannot use together, and whatever reading the PEM files throws. */
export function etcdOptions(options: ConnectOptions): IOptions {
  const { endpoints, deadlineMs = 3000 } = options;
  checkEndpoints(endpoints);
  return {
    hosts: [...endpoints],
    ...credentials(options),
    grpcOptions: {
      // 4 MB otherwise, which fails a page of large values and a long catch-up: the latter silently.
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // A peer that vanished without a FIN is noticed after 15 s. Not on an idle connection: etcd takes pings without a call
      // for an attack (PermitWithoutStream is off) and sends the connection away after the third.
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.keepalive_permit_without_calls": 0,
      // gRPC's own back-off, 1 s to 2 min, would rule over ours.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      // Otherwise gRPC shares connections among all clients of the process, and keeps a deaf one as long as any of them uses it.
      "grpc.use_local_subchannel_pool": 1,
      // 64 KB a round trip otherwise: slow lists over long lines.
      "grpc-node.flow_control_window": 4 << 20,
      // An http_proxy in the environment is not meant for etcd.
      "grpc.enable_http_proxy": 0,
    },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + deadlineMs }),
    faultHandling: { host: passOver(endpoints, 2_000), global: once() },
  };
}

function checkEndpoints(endpoints: readonly string[]): void {
  if (endpoints.length === 0) throw new TypeError("Cannot connect to etcd: expected at least one endpoint, got none");
  for (const endpoint of endpoints) {
    if (!/^(?:https?:\/\/[^/\s]+|unix:\/\S+)$/.test(endpoint))
      throw new TypeError(
        `Cannot connect to etcd: expected http://host:port, https://host:port or unix:/path, got "${endpoint}"`,
      );
  }
  const secure = endpoints.filter((endpoint) => endpoint.startsWith("https:")).length;
  if (secure > 0 && secure < endpoints.length)
    throw new TypeError(
      `Cannot connect to etcd: expected every endpoint to use TLS or none, got ${endpoints.join(", ")}`,
    );
}

function credentials({ endpoints, tls }: ConnectOptions): Pick<IOptions, "credentials"> {
  if (tls === undefined || !endpoints.some((endpoint) => endpoint.startsWith("https:"))) return {};
  const { ca, cert, key } = tls;
  return {
    credentials: {
      // gRPC takes null for the system's authorities; etcd3's type does not say so.
      rootCertificate: (ca === undefined ? null : readFileSync(ca)) as Buffer,
      ...(key === undefined ? {} : { privateKey: readFileSync(key) }),
      ...(cert === undefined ? {} : { certChain: readFileSync(cert) }),
    },
  };
}
