import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstValueFrom, NEVER } from "rxjs";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../src/config.ts";
import { keyStore } from "../src/ike/keys.ts";
import { publicKeyOf } from "../src/ike/public-key.ts";
import { decodePacket, encodePacket, type Packet } from "../src/ike/vici/packet.ts";
import { Segments } from "../src/ike/vici/segments.ts";
import { type HostIpsec, openIpsec } from "../src/ipsec.ts";
import type { Kernel } from "../src/kernel/kernel.ts";

let directory: string;
let psk: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-ipsec-"));
  psk = join(directory, "psk");
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(directory, { recursive: true });
});

/** Has all of IPsec, or lacks one thing. */
function fakeKernel(lacks = { link: false }): Kernel {
  const probe: Kernel["probe"] = async (trials) => ({
    ok: true,
    value: trials.map(({ protocol }) => (protocol === "route" && lacks.link ? "EOPNOTSUPP" : undefined)),
  });
  const dump: Kernel["dump"] = async () => ({ ok: true, value: new Uint8Array() });
  return { events$: NEVER, probe, dump } as Partial<Kernel> as Kernel;
}

async function open(given: { pskFile?: string } = {}, kernel = fakeKernel()): Promise<HostIpsec> {
  const ipsec = { vici: join(directory, "charon.vici"), ...given };
  const host = await openIpsec(readConfig({ host: "h1", underlay: "eth0", state: directory, ipsec }), kernel);
  onTestFinished(() => host.stop());
  return host;
}

/** The next probe, which finds something changed. */
async function mended({ changes$ }: HostIpsec): Promise<void> {
  const change = firstValueFrom(changes$);
  vi.advanceTimersByTime(60_000);
  await change;
}

/** Answers whatever it is asked; `asked` has the commands that bring credentials. */
async function fakeCharon(refuses = { secrets: false }) {
  const asked: string[] = [];
  const answerOf = (packet: Packet): Packet => {
    if (packet.type !== "command") return { type: "confirmed" };
    const { name, message } = packet;
    if (name !== "load-shared") return { type: "response", message: {} };
    asked.push(`${name} ${Buffer.from(message.data as Uint8Array)}`);
    return { type: "response", message: { success: refuses.secrets ? "no" : "yes", errmsg: "not now" } };
  };
  const server = createServer((socket) => {
    const segments = new Segments();
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      for (const segment of segments.push(chunk)) socket.write(encodePacket(answerOf(decodePacket(segment))));
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "charon.vici"), resolve));
  onTestFinished(() => void server.close());
  return asked;
}

test("encrypted networks are refused by the name of the secret's file, until it is there as it should be", async () => {
  const ipsec = await open({ pskFile: psk });
  expect(ipsec.now().missing).toEqual([`a key: Cannot use ${psk}: expected the secret of all hosts, got no file`]);
  await writeFile(psk, "secret\n", { mode: 0o600 });
  await chmod(psk, 0o644);
  await mended(ipsec);
  expect(ipsec.now().missing).toEqual([expect.stringContaining(`Cannot use ${psk}: expected nobody but its owner`)]);
  await chmod(psk, 0o600);
  await mended(ipsec);
  expect(ipsec.now()).toMatchObject({ missing: [], auth: { type: "psk" } });
  expect(ipsec.announced()).toEqual({});
});

test("an own key whose file comes to be nobody else's is used and announced, the same as before", async () => {
  const own = publicKeyOf(await keyStore(directory).own());
  const file = join(directory, "ike/own.pem");
  await chmod(file, 0o640);
  const ipsec = await open();
  expect(ipsec.now().missing).toEqual([expect.stringContaining(`Cannot use ${file}: expected nobody but its owner`)]);
  expect([ipsec.keys, ipsec.announced()]).toEqual([undefined, {}]);
  await chmod(file, 0o600);
  await mended(ipsec);
  expect(ipsec.now()).toMatchObject({ missing: [], auth: { type: "pubkey", own } });
  expect(ipsec.keys?.own).toBe(own);
  expect(ipsec.announced()).toEqual({ ike: { keys: [own] } });
});

test("charon has the secret before networks are encrypted by it; where it refuses it is asked again", async () => {
  const refuses = { secrets: true };
  const asked = await fakeCharon(refuses);
  const ipsec = await open({ pskFile: psk });
  await firstValueFrom(ipsec.tunnels.events$);
  expect(ipsec.tunnels.state()).toMatchObject({ type: "connected" });
  await writeFile(psk, "secret\n", { mode: 0o600 });
  await mended(ipsec);
  expect(ipsec.now().missing).toEqual([expect.stringContaining("not now")]);
  refuses.secrets = false;
  await mended(ipsec);
  expect(ipsec.now().missing).toEqual([]);
  expect(asked).toEqual(["load-shared secret", "load-shared secret"]);
});

test("what charon was told is listed once it was reached, or could not be: it is not taken for missing meanwhile", async () => {
  const away = await open();
  expect(await away.tunnels.driver.list("host")).toEqual([]);
  await fakeCharon();
  const { tunnels } = await open();
  expect(tunnels.state().type).toBe("away");
  expect(await tunnels.driver.list("host")).toEqual([]);
  expect(tunnels.state().type).toBe("connected");
});

test("an error of the system leaves them refused, and ends nothing", async () => {
  await mkdir(join(directory, "ike/own.pem"), { recursive: true });
  const ipsec = await open();
  await rm(join(directory, "ike"), { recursive: true });
  // No directory, and none can be made there.
  await symlink("/nowhere/ike", join(directory, "ike"));
  await mended(ipsec);
  expect(ipsec.now().missing).toEqual([expect.stringMatching(/^a key: E[A-Z]+:/)]);
});

test("a secret that is usable is not read again", async () => {
  await writeFile(psk, "secret\n", { mode: 0o600 });
  const lacks = { link: true };
  const ipsec = await open({ pskFile: psk }, fakeKernel(lacks));
  expect(ipsec.now().missing).toEqual([expect.stringContaining("XFRM interfaces")]);
  await rm(psk);
  lacks.link = false;
  await mended(ipsec);
  expect(ipsec.now().missing).toEqual([]);
});
