import { filter, type Observable, Subject } from "rxjs";
import type { Config } from "./config.ts";
import type { Ipsec } from "./desired/inputs.ts";
import type { Credentials } from "./ike/credentials.ts";
import { KeyFileError, keyStore, readSecret } from "./ike/keys.ts";
import { type OwnKeys, readOwnKeys } from "./ike/own-keys.ts";
import { defaultTimings } from "./ike/timings.ts";
import { openTunnels, type Tunnels } from "./ike/tunnels.ts";
import { probeIpsec } from "./kernel/capabilities.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { choiceByAge, lostAssociations, standingAssociations } from "./kernel/security-associations.ts";
import type { Host } from "./model/host.ts";

/** What this host can do of IPsec, what it proves itself by, and charon. */
export interface HostIpsec {
  /** As derivation has it. */
  now(): Ipsec;
  /** What peers are told of it. */
  announced(): Pick<Host, "ike">;
  /** Absent where the host proves itself by a secret, and while its keys cannot be used. */
  readonly keys: OwnKeys | undefined;
  readonly tunnels: Tunnels;
  /** The kernel has come to have what it lacked, or what the host proves itself by has come to be usable. */
  readonly changes$: Observable<void>;
  stop(): Promise<void>;
}

/** Modules may come, and files: what is lacking is looked for again so often. */
const probeMs = 60_000;

/** What the host proves itself by, or why it cannot. */
type Identity =
  | { type: "pubkey"; keys: OwnKeys }
  | { type: "psk"; secret: Uint8Array }
  | { type: "unusable"; why: string };

export async function openIpsec(config: Config, kernel: Kernel): Promise<HostIpsec> {
  const { vici, encapsulation, pskFile } = config.ipsec;
  const changes = new Subject<void>();
  let identity = await identityOf(config.state, pskFile);
  /** One that has come, while charon is told of it. */
  let coming: Identity | undefined;
  let abilities = await abilitiesOf(kernel);

  const tunnels = openTunnels({
    host: config.host,
    socket: vici,
    credentials: () => credentialsOf(coming ?? identity),
    // One is followed by the next after an hour at most, and is gone then.
    choice: choiceByAge(kernel, 2 * defaultTimings.childRekeyS),
  });
  const losses = lostAssociations(kernel).subscribe((news) => tunnels.lost(news));
  // Whatever went while no agent listened, or no charon was there to be asked.
  const returns = tunnels.events$.pipe(filter(({ type }) => type === "charon-back")).subscribe(() => void compare());
  const timer = setInterval(() => void probe(), probeMs);
  timer.unref();

  return {
    get keys() {
      return identity.type === "pubkey" ? identity.keys : undefined;
    },
    tunnels,
    now: () => ({
      missing: missing(),
      ciphers: abilities.ciphers,
      encap: encapsulation,
      auth: identity.type === "pubkey" ? { type: "pubkey", own: identity.keys.own } : { type: "psk" },
    }),
    announced() {
      if (identity.type !== "pubkey") return {};
      const { own, next } = identity.keys;
      return { ike: { keys: next === undefined ? [own] : [own, next] } };
    },
    changes$: changes,
    async stop() {
      clearInterval(timer);
      losses.unsubscribe();
      returns.unsubscribe();
      changes.complete();
      await tunnels.stop();
    },
  };

  async function compare(): Promise<void> {
    const at = performance.now();
    const sas = await standingAssociations(kernel);
    if (sas) tunnels.lost({ type: "standing", sas, at });
  }

  function missing(): string[] {
    return identity.type === "unusable" ? [...abilities.missing, identity.why] : [...abilities.missing];
  }

  async function probe(): Promise<void> {
    const before = missing();
    if (before.length === 0) return;
    if (abilities.missing.length > 0) abilities = await abilitiesOf(kernel);
    if (identity.type === "unusable") await identify();
    if (missing().join() !== before.join()) changes.next();
  }

  /** charon has it before anybody else does; where it does not take it, all is tried again. */
  async function identify(): Promise<void> {
    try {
      coming = await identityOf(config.state, pskFile);
      if (coming.type !== "unusable") await tunnels.reload();
      identity = coming;
    } catch (error) {
      identity = { type: "unusable", why: `a key: ${(error as Error).message}` };
    } finally {
      coming = undefined;
    }
  }
}

/** A key file that cannot be used stops encrypted networks, and no others. */
async function identityOf(state: string, pskFile: string | undefined): Promise<Identity> {
  try {
    if (pskFile !== undefined) return { type: "psk", secret: await readSecret(pskFile) };
    return { type: "pubkey", keys: await readOwnKeys(keyStore(state)) };
  } catch (error) {
    if (error instanceof KeyFileError) return { type: "unusable", why: `a key: ${error.message}` };
    throw error;
  }
}

function credentialsOf(identity: Identity): Credentials {
  switch (identity.type) {
    case "pubkey":
      return { type: "pubkey", keys: identity.keys.all() };
    case "psk":
      return identity;
    case "unusable":
      return { type: "pubkey", keys: [] };
  }
}

/** A kernel that cannot even be asked lacks whatever it says. */
async function abilitiesOf(kernel: Kernel): Promise<Pick<Ipsec, "missing" | "ciphers">> {
  try {
    return await probeIpsec(kernel);
  } catch (error) {
    return { missing: [error instanceof Error ? error.message : String(error)], ciphers: [] };
  }
}
