import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { firstValueFrom } from "rxjs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readSecret } from "../../src/ike/keys.ts";
import type { Choice, Outgoing } from "../../src/ike/outgoing.ts";
import { publicKeyOf } from "../../src/ike/public-key.ts";
import { ask, listed } from "../../src/ike/vici/commands.ts";
import { list } from "../../src/ike/vici/message.ts";
import { child, connection, name } from "./arbitrary-rows.ts";
import {
  bothRows,
  bothUp,
  connectionRow,
  createPair,
  type End,
  fast,
  insides,
  newKey,
  nowhere,
  type Pair,
  publicKeys,
  up,
} from "./pair.ts";

let pair: Pair;
let a: End;
let b: End;

beforeAll(async () => {
  pair = await createPair();
  [a, b] = pair.ends;
});
afterAll(() => pair.close());
beforeEach(() => pair.fresh());

const downs = (end: End, from = 0) => end.events.slice(from).filter(({ type }) => type === "tunnel-down");

test("an agent that starts finds what charon was told, tells it nothing, and says nothing", async () => {
  await bothUp(pair.ends, "blue", "green");
  const loads = await a.loads();
  const before = await a.states();
  a.open();
  await a.connected();
  const [mine] = bothRows(pair.ends, "blue", "green");
  const found = await a.tunnels.driver.list("host");
  expect(found).toEqual(mine.map(({ because: _, ...row }) => row));
  const spis = (states: typeof before) => states.map((each) => each.state === "up" && each.spiIn);
  expect(spis(await a.states())).toEqual(spis(before));
  // What it finds can be added to: it knows the whole of it.
  const [more] = bothRows(pair.ends, "red");
  await a.add(more[1]!);
  await b.add(bothRows(pair.ends, "red")[1][1]!);
  await up(a, "red");
  expect(await a.loads()).toBe(loads + 1);
  expect(a.events.map(({ type }) => type).filter((type) => type !== "tunnel-retrying")).toEqual([
    "charon-back",
    "tunnel-up",
  ]);
  expect(downs(b)).toEqual([]);
});

test("whatever charon was told is found as it was told", async () => {
  const names = new Set(fc.sample(name, 40));
  const rows = [...names].flatMap((host) => {
    const conn = {
      kind: "tunnel",
      scope: "host",
      key: `conn-${host}`,
      value: { ...fc.sample(connection, 1)[0]!, host },
      because: [],
    } as const;
    return [conn, ...fc.sample(child, 2).map((value, n) => ({ ...conn, key: `${conn.key} child-${n}`, value }))];
  });
  expect((await a.add(...rows)).filter(Boolean)).toEqual([]);
  a.open();
  await a.connected();
  const found = await a.tunnels.driver.list("host");
  const byKey = (one: { key: string }, other: { key: string }) => (one.key < other.key ? -1 : 1);
  expect(found.toSorted(byKey)).toEqual(rows.map(({ because: _, ...row }) => row).toSorted(byKey));
});

test("an agent that starts after a key was taken ends what may stand by it, though the one before did not come to that", async () => {
  const timings = { ...fast, revokeMs: 3_000 };
  a.open({ timings: { ...timings, revokeMs: 3_600_000 } });
  await a.connected();
  await bothUp(pair.ends, "blue");
  const [was] = bothRows(pair.ends, "blue")[0];
  const [old] = await sas(a);
  const auth = { type: "pubkey", own: publicKeys(a)[0]!, peer: [publicKeyOf(newKey())] } as const;
  const another = connectionRow(a, b, { auth });
  expect(await a.apply({ verb: "replace", row: another, was: was!.value })).toEqual([undefined]);
  a.open({ timings });
  await a.connected();
  expect(await a.tunnels.driver.list("host")).toContainEqual(expect.objectContaining({ value: another.value }));
  await a.until("tunnel-down");
  expect((await sas(a)).map(({ id }) => id)).not.toContain(old?.id);
});

test("other timings are other connections: they are told anew, and nothing goes down", async () => {
  await bothUp(pair.ends, "blue");
  const { length } = b.events;
  a.open({ timings: { childRekeyS: 1800, graceMs: 1_500, duplicateMs: 400 } });
  await a.connected();
  const [mine] = bothRows(pair.ends, "blue");
  const found = await a.tunnels.driver.list("host");
  expect(found[0]?.value).not.toEqual(mine[0]?.value);
  const was = found[0]!.value;
  expect(await a.apply({ verb: "replace", row: mine[0]!, was })).toEqual([undefined]);
  expect((await a.tunnels.driver.list("host"))[0]?.value).toEqual(mine[0]?.value);
  await expect.poll(async () => (await a.states())[0]).toMatchObject({ state: "up" });
  expect(downs(b, length)).toEqual([]);
});

/** What nothing leaves by any more, for nobody else knows of it. */
const left: Outgoing[] = [];
const choice: Choice = { prefer: async () => {}, leave: async (sa) => void left.push(sa) };

test("a charon that was killed is told everything anew, and all is up again", async () => {
  left.length = 0;
  await pair.fresh([{ choice }, {}]);
  await bothUp(pair.ends, "blue", "green");
  const stood = (await a.states()).map((each) => each.state === "up" && Number.parseInt(each.spiOut, 16));
  const { length } = a.events;
  const there = b.events.length;
  await a.charon.end("SIGKILL");
  await a.until("charon-away");
  const rows = bothRows(pair.ends, "blue", "green")[0];
  expect(await a.add(...rows)).toMatchObject(rows.map(() => ({ code: "CHARON_AWAY", next: "wait" })));
  await expect(a.tunnels.driver.list("host")).rejects.toThrow(/Cannot/);
  expect(a.tunnels.state()).toMatchObject({ type: "away" });
  expect((await a.states()).map(({ state }) => state)).toEqual(["unknown", "unknown"]);
  const relist = firstValueFrom(a.tunnels.driver.notices$);
  await a.charon.start();
  expect(await relist).toMatchObject({ type: "relist", scope: "host", kinds: ["tunnel"] });
  expect(await a.tunnels.driver.list("host")).toEqual([]);
  await a.add(...rows);
  await Promise.all([up(a, "blue", length), up(a, "green", length)]);
  expect(left.map(({ spi }) => spi).sort()).toEqual(stood.sort());
  // What the peer still has of the charon that was is a duplicate, or dead.
  await expect.poll(async () => (await b.states()).map(({ state }) => state)).toEqual(["up", "up"]);
  await expect.poll(async () => (await sas(b)).length).toBe(1);
  expect(b.events.slice(there).some(({ type }) => type === "charon-away")).toBe(false);
});

test("a charon that is stopped keeps rows waiting, nothing hangs, and what stood stands", async () => {
  left.length = 0;
  await pair.fresh([{ choice }, {}]);
  await bothUp(pair.ends, "blue");
  const before = await a.states();
  const { length } = a.events;
  await a.charon.pause();
  const rows = bothRows(pair.ends, "blue", "green")[0];
  // A look that was under way may be what finds it silent: then the call is told that the connection has gone.
  const waits = [{ code: expect.stringMatching(/^CHARON_(SILENT|AWAY)$/), next: "wait" }];
  expect(await a.add(rows[2]!)).toMatchObject(waits);
  // From the first that was not answered on, at once: none of these waits for its time.
  for (let n = 0; n < 100; n++) expect(await a.add(rows[2]!)).toMatchObject(waits);
  expect((await a.states())[0]).toMatchObject({ state: "unknown" });
  a.charon.signal("SIGCONT");
  await a.until("charon-back", () => true, length);
  expect(await a.add(rows[2]!)).toEqual([undefined]);
  await b.add(bothRows(pair.ends, "green")[1][1]!);
  await up(a, "green", length);
  expect((await a.states())[0]).toMatchObject({ spiIn: before[0]?.state === "up" ? before[0].spiIn : "" });
  expect(left).toEqual([]);
  expect(downs(a)).toEqual([]);
});

test("what is wished no more is ended, and who leaves can wait for that", async () => {
  await bothUp(pair.ends, "blue", "green");
  expect(await a.tunnels.emptied(0)).toBe(false);
  const [mine] = bothRows(pair.ends, "blue", "green");
  await a.apply(...mine.map((row) => ({ verb: "remove", row }) as const));
  expect(await a.tunnels.emptied(60_000)).toBe(true);
  expect(await sas(a)).toEqual([]);
});

test("what somebody else takes from charon is seen, and its tunnels stay while it is told again", async () => {
  await bothUp(pair.ends, "blue");
  const vici = await a.vici();
  await ask(vici, "unload-conn", { name: "conn-h2" });
  vici.close();
  // Looked at again and again: time enough to end what stands.
  for (let n = 0; n < 20; n++) expect(await a.tunnels.driver.list("host")).toEqual([]);
  await a.add(...bothRows(pair.ends, "blue")[0]);
  for (let n = 0; n < 20; n++) await a.states();
  expect(await a.states()).toMatchObject([{ child: "child-blue", state: "up" }]);
  expect([...downs(a), ...downs(b)]).toEqual([]);
});

test("a connection that changes and changes back takes further children", async () => {
  await bothUp(pair.ends, "blue");
  for (const [own, was, other] of [
    [a, connectionRow(a, b), connectionRow(a, b, { remote: nowhere })],
    [b, connectionRow(b, a), connectionRow(b, a, { local: nowhere })],
  ] as const) {
    await own.apply({ verb: "replace", row: other, was: was.value });
    await own.apply({ verb: "replace", row: was, was: other.value });
  }
  const { length } = a.events;
  await b.add(bothRows(pair.ends, "green")[1][1]!);
  await a.add(bothRows(pair.ends, "green")[0][1]!);
  await Promise.all([up(a, "green", length), up(b, "green")]);
  await expect.poll(async () => (await sas(a)).length).toBe(1);
  expect([...downs(a), ...downs(b)]).toEqual([]);
});

test("what is up moves to a new IKE_SA where charon makes one for new keys, though no agent knows why it does", async () => {
  await bothUp(pair.ends, "blue", "green");
  // A further key of each, beside the one that it is proved by, makes nothing wrong; but charon keeps to what it was told.
  for (const [own, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    const was = connectionRow(own, peer);
    const keys = [...publicKeys(peer), publicKeyOf(newKey())];
    const auth = { type: "pubkey", own: publicKeys(own)[0]!, peer: keys } as const;
    await own.apply({ verb: "replace", row: connectionRow(own, peer, { auth }), was: was.value });
  }
  for (const end of [a, b]) {
    end.open();
    await end.connected();
  }
  const [first] = await sas(a);
  for (const end of [a, b])
    await expect.poll(async () => (await end.states()).map(({ state }) => state)).toEqual(["up", "up"]);
  await expect.poll(() => a.tunnels.standing().map(({ state }) => state)).toEqual(["up", "up"]);
  a.tunnels.rekey("h2", "child-blue");
  await expect.poll(async () => (await sas(a)).map(({ id }) => id === first?.id)).toEqual([false]);
  for (const end of [a, b]) expect(await end.states()).toMatchObject([{ state: "up" }, { state: "up" }]);
  expect([...downs(a), ...downs(b)]).toEqual([]);
});

test("what another version has told charon gets no new keys before it is told anew", async () => {
  await bothUp(pair.ends, "blue");
  // By these times it would have had new ones long ago.
  a.open({ timings: { ...fast, childRekeyS: 36_000 } });
  await a.connected();
  await expect.poll(() => a.tunnels.standing().map(({ state }) => state)).toEqual(["up"]);
  const [row] = await a.tunnels.driver.list("host");
  expect(row).not.toMatchObject({ value: connectionRow(a, b).value });
  a.tunnels.rekey("h2", "child-blue");
  await a.add(...bothRows(pair.ends, "blue")[0]);
  await expect.poll(async () => (await a.states()).map(({ state }) => state)).toEqual(["up"]);
  await a.until("tunnel-rekeyed");
  expect(downs(a)).toEqual([]);
});

test("a key is rotated, and no tunnel goes down", async () => {
  await bothUp(pair.ends, "blue", "green");
  const old = connectionRow(a, b);
  const next = newKey();
  // Its public half is published beside the old one, and peers pin both.
  const both = connectionRow(b, a, {
    auth: { type: "pubkey", own: publicKeys(b)[0]!, peer: [...publicKeys(a), publicKeyOf(next)] },
  });
  await b.apply({ verb: "replace", row: both, was: connectionRow(b, a).value });
  // Then it is used, while charon has both.
  a.keys.push(next);
  await a.tunnels.reload();
  const auth = { type: "pubkey", own: publicKeyOf(next), peer: publicKeys(b) } as const;
  await a.apply({ verb: "replace", row: connectionRow(a, b, { auth }), was: old.value });
  const [first] = await a.states();
  // Neither made a standing IKE_SA wrong.
  expect(first).toMatchObject({ state: "up" });
  expect((await sas(b)).length).toBe(1);
  // Then the old one is dropped: an IKE_SA by it must not stay.
  a.keys.shift();
  const only = connectionRow(b, a);
  await b.apply({ verb: "replace", row: only, was: both.value });
  await a.tunnels.reload();
  const [ike] = await sas(b);
  await expect.poll(async () => (await sas(b)).map(({ id }) => id === ike?.id)).toEqual([false]);
  expect(await b.states()).toMatchObject([{ state: "up" }, { state: "up" }]);
  expect(await a.states()).toMatchObject([{ state: "up" }, { state: "up" }]);
  expect([...downs(a), ...downs(b)]).toEqual([]);
  const vici = await a.vici();
  expect(list(await ask(vici, "get-keys", {}), "keys")).toHaveLength(1);
  vici.close();
});

test("hosts may prove themselves by a secret that both have", async () => {
  const file = join(pair.lab.directory, "secret");
  await writeFile(file, " sixteen tons\n", { mode: 0o600 });
  const secret = await readSecret(file);
  const auth = { type: "psk" } as const;
  await pair.fresh([
    { credentials: () => ({ ...auth, secret }) },
    { credentials: () => ({ ...auth, secret: Buffer.from("others") }) },
  ]);
  const [mine, theirs] = bothRows(pair.ends, "blue");
  await b.add(connectionRow(b, a, { auth }), theirs[1]!);
  await a.add(connectionRow(a, b, { auth }), mine[1]!);
  expect((await a.until("tunnel-retrying")).why).toBe("received AUTHENTICATION_FAILED notify error");
  b.open({ credentials: async () => ({ ...auth, secret: await readSecret(file) }) });
  await up(a, "blue");
});

test("credentials that are not to be had keep tunnels away, and say why, until they are", async () => {
  const file = join(pair.lab.directory, "later");
  await rm(file, { force: true });
  a.open({ credentials: async () => ({ type: "psk", secret: await readSecret(file) }) });
  const { why } = await a.until("charon-away");
  expect(why).toBe(`Cannot use ${file}: expected the secret of all hosts, got no file`);
  expect(a.tunnels.state()).toMatchObject({ type: "away", why });
  await writeFile(file, "here now", { mode: 0o600 });
  await a.connected();
  expect(a.tunnels.state()).toMatchObject({ type: "connected" });
});

test("SAs that the kernel lost are made anew at once, and the others stay", async () => {
  await bothUp(pair.ends, "blue", "green");
  const [blue, green] = await a.states();
  if (blue?.state !== "up" || green?.state !== "up") throw new Error("Cannot lose an SA: expected two");
  const lost = () => a.events.flatMap((event) => (event.type === "tunnel-lost" ? [event.child] : []));
  // A number that is one of ours only at another address, and one that is.
  a.tunnels.lost({ type: "deleted", spi: Number.parseInt(blue.spiIn, 16), dst: b.host.underlay.address() });
  a.tunnels.lost({ type: "deleted", spi: Number.parseInt(green.spiOut, 16), dst: b.host.underlay.address() });
  await a.until("tunnel-rekeyed", ({ child }) => child === "child-green");
  expect(lost()).toEqual(["child-green"]);
  expect((await a.states())[0]).toMatchObject({ spiIn: blue.spiIn });
  const { length } = a.events;
  a.tunnels.lost({ type: "flushed" });
  await a.until("tunnel-rekeyed", ({ child }) => child === "child-green", length);
  await a.until("tunnel-rekeyed", ({ child }) => child === "child-blue", length);
  expect((await a.states())[0]).not.toMatchObject({ spiIn: blue.spiIn });
  expect([...downs(a), ...downs(b)]).toEqual([]);
});

// By which SA packets leave is nobody's choice in user space: that none is lost is shown in the virtual machine.
test("new keys are made before charon makes them, and the old ones end", async () => {
  const options = await insides(pair.ends);
  // charon would rekey the lower name's after 20 s, the other one's after an hour; 15 s before new ones are made.
  const times = [{ rekey_time: "20s", rand_time: "0s" }, { rekey_time: "1h" }];
  await pair.fresh(
    options.map(({ shape }, n) => ({
      timings: { ...fast, childRekeyS: 120 },
      shape: (child, name) => ({ ...(shape?.(child, name) ?? child), ...times[n] }),
    })),
  );
  await bothUp(pair.ends, "blue");
  const before = (await a.states())[0];
  await Promise.all([a, b].map((end) => end.until("tunnel-rekeyed")));
  const hasOne = async () =>
    (await Promise.all([sas(a), sas(b)])).map((all) => all.flatMap(({ children }) => children).length);
  await expect.poll(hasOne).toEqual([1, 1]);
  expect((await a.states())[0]).toMatchObject({ state: "up" });
  expect((await a.states())[0]).not.toMatchObject({ spiIn: before?.state === "up" && before.spiIn });
  const types = [...a.events, ...b.events].map(({ type }) => type);
  expect(types.filter((type) => !["charon-back", "tunnel-up", "tunnel-rekeyed"].includes(type))).toEqual([]);
  // It was not charon that did it.
  const log = await readFile(a.charon.log, "utf8");
  expect(log).not.toContain("rekeying CHILD_SA");
});

test("rekeying of both SAs loses no packet", async () => {
  await pair.fresh(await insides(pair.ends));
  await bothUp(pair.ends, "blue");
  const ping = a.host.exec("ping", ["-q", "-i", "0.01", "-c", "250", "-W", "1", "-I", "10.1.0.1", "10.2.0.1"]);
  const vici = await a.vici();
  const theirs = await b.vici();
  for (const [connection, ike] of [
    [vici, "conn-h2"],
    [theirs, "conn-h1"],
  ] as const) {
    const { length } = a.events;
    await ask(connection, "rekey", { child: "child-blue" });
    await a.until("tunnel-rekeyed", () => true, length);
    await ask(connection, "rekey", { ike });
    await expect.poll(async () => (await sas(a)).map(({ state }) => state)).toEqual(["ESTABLISHED"]);
  }
  vici.close();
  theirs.close();
  expect((await ping).stdout).toMatch(/250 packets transmitted, 250 received, 0% packet loss/);
});

async function sas(end: End) {
  const vici = await end.vici();
  const { sasOf } = await import("../../src/ike/sa.ts");
  const found = sasOf(await listed(vici, "list-sas"));
  vici.close();
  return found;
}
