import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child, Connection, PublicKey } from "../../../src/desired/rows.ts";
import { compose } from "../../../src/ike/compose.ts";
import { defaultTimings } from "../../../src/ike/timings.ts";
import { ask } from "../../../src/ike/vici/commands.ts";
import type { End } from "./ends.ts";

/** Not one of the agent's, which pays it no heed. */
const name = "bare";
const patienceMs = 60_000;

const child: Child = {
  type: "child",
  mode: "tunnel",
  selector: "0.0.0.0/0",
  label: name,
  reqid: 77,
  ifId: 77,
  proposals: ["aes128gcm16-x25519"],
};

/** Milliseconds of one initiation: by `swanctl --initiate`, the start of the program included, and by charon alone. */
export interface BareInitiate {
  swanctlMs: number;
  viciMs: number;
}

/** The same connection as the agent's, told to both charons beforehand; nothing of it stays. */
export async function initiateBarely([a, b]: readonly [End, End], directory: string): Promise<BareInitiate> {
  await tell(a, b);
  await tell(b, a);
  const settings = join(directory, "swanctl.conf");
  await writeFile(settings, "swanctl {\n  load = random openssl\n}\n"); // not all plugins, which takes seconds
  const swanctlMs = await timed(() =>
    a.host.output("swanctl", ["--initiate", "--child", name, "--uri", "unix:///run/skein/charon.vici"], {
      env: { STRONGSWAN_CONF: settings },
    }),
  );
  await terminate(a);
  const timeout = `${patienceMs}`;
  const viciMs = await timed(() =>
    ask(a.vici, "initiate", { ike: name, child: name, timeout, loglevel: "-1" }, { timeoutMs: patienceMs }),
  );
  await terminate(a);
  for (const { vici } of [a, b]) await ask(vici, "unload-conn", { name });
  return { swanctlMs, viciMs };
}

async function tell(own: End, peer: End): Promise<void> {
  const connection: Connection = {
    type: "connection",
    host: peer.host.name,
    local: own.host.underlay.address(),
    remote: peer.host.underlay.address(),
    encap: true,
    auth: { type: "pubkey", own: await keyOf(own), peer: [await keyOf(peer)] },
  };
  const told = { connection, children: new Map([[name, child]]) };
  const section = compose(told, { host: own.host.name, timings: defaultTimings });
  await ask(own.vici, "load-conn", { [name]: section });
}

/** As its agent publishes it. */
async function keyOf({ host, client }: End): Promise<PublicKey> {
  const record = await client.get(`hosts/${host.name}`);
  return JSON.parse(String(record?.value)).ike.keys[0];
}

/** Resolves when the peer knows of it, too. */
async function terminate({ vici }: End): Promise<void> {
  await ask(vici, "terminate", { ike: name, timeout: `${patienceMs}`, loglevel: "-1" }, { timeoutMs: patienceMs });
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}
