import type { HostIpsec } from "./ipsec.ts";
import { decode } from "./model/decode.ts";
import type { Host } from "./model/host.ts";
import { keyOf } from "./model/keys.ts";
import { compareRevisions } from "./model/revision.ts";
import type { AgentView } from "./observe/view.ts";
import { createRotation, type Rotation } from "./runtime/rotation.ts";
import { Backoff } from "./store/backoff.ts";
import type { Client } from "./store/client.ts";

export interface KeyRotationOptions {
  client: Client;
  host: string;
  ipsec: HostIpsec;
  /** Encrypted networks that this host takes part in. */
  nets(): readonly string[];
  wait: AgentView["wait"];
  /** Writes this host's record. */
  announce(): void;
  /** Derives everything by the key that is the own one now; resolves when charon has it. */
  adopt(): Promise<void>;
  tell(message: string): void;
}

/** How long one look at a network's hosts may take: less than who asks waits, so that the answer names them. */
const lookMs = 4_000;

/** The rotation of this host's key by what etcd and the other hosts say; `undefined` while it has none of its own. */
export function keyRotation({ client, host, ipsec, ...options }: KeyRotationOptions): () => Rotation | undefined {
  const { nets, wait, announce, adopt, tell } = options;
  const load = () => ipsec.tunnels.reload();
  let rotation: Rotation | undefined;
  return () => {
    const { keys } = ipsec;
    if (keys) rotation ??= createRotation({ keys, publish, waitingFor, load, adopt, tell });
    return rotation;
  };

  async function publish(signal: AbortSignal): Promise<void> {
    const wanted = ipsec.announced().ike?.keys.join();
    const backoff = new Backoff(20, 1_000);
    for (;;) {
      announce();
      if ((await published()) === wanted) return;
      signal.throwIfAborted();
      await backoff.pause(signal);
    }
  }

  async function published(): Promise<string | undefined> {
    const key = keyOf({ type: "host", host });
    const found = await client.get(key);
    const decoded = found && decode(key, found.value);
    return decoded && "path" in decoded ? (decoded.value as Host).ike?.keys.join() : undefined;
  }

  /** A host whose agent is away has charon go on with what it was told: it is waited for as well. */
  async function waitingFor(signal: AbortSignal): Promise<string[]> {
    const waits = nets().map((net) => wait(net, "now", AbortSignal.any([signal, AbortSignal.timeout(lookMs)])));
    const late = (await Promise.all(waits)).flatMap(({ hosts, revision }) =>
      hosts.filter(({ converged }) => converged === undefined || compareRevisions(converged, revision) < 0),
    );
    return [...new Set(late.map((each) => each.host))].filter((name) => name !== host).sort();
  }
}
