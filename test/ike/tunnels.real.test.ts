import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { fromNumber, ip, toNumber } from "../../src/model/address.ts";
import {
  bothRows,
  bothUp,
  childRow,
  connectionRow,
  createPair,
  type End,
  newKey,
  nowhere,
  type Pair,
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

test("children of networks come up on one IKE_SA, each with its own label, begun by the lower name", async () => {
  await bothUp(pair.ends, "blue", "green");
  const states = await Promise.all([a.states(), b.states()]);
  for (const [end, state] of states.entries()) {
    expect(state).toMatchObject([
      { child: "child-blue", label: "blue", state: "up", cipher: "AES_GCM_16-128", encap: true, initiator: end === 0 },
      { child: "child-green", label: "green", state: "up", local: `10.99.0.${end + 1}:4500` },
    ]);
  }
  const spis = states.map((state) => state.map((each) => (each.state === "up" ? [each.spiIn, each.spiOut] : [])));
  expect(spis[1]).toEqual(spis[0]?.map((pair) => pair.toReversed()));
});

test.each([
  ["lower", 0],
  ["higher", 1],
])("where the %s name has no cipher but AES-CBC, the tunnel comes up by that", async (_, end) => {
  const [good, poor] = [["aes128gcm16-x25519", "aes128-sha256-x25519"], ["aes128-sha256-x25519"]];
  const rows = (own: End, peer: End) => [
    connectionRow(own, peer),
    // The first child comes with the IKE_SA, the second by an exchange of its own with Diffie-Hellman in it.
    ...["blue", "green"].map((net) => childRow(peer, net, { proposals: own === pair.ends[end] ? poor : good })),
  ];
  await Promise.all([a.add(...rows(a, b)), b.add(...rows(b, a))]);
  await Promise.all([a, b].flatMap((each) => [up(each, "blue"), up(each, "green")]));
  const byCbc = { state: "up", cipher: "AES_CBC-128/HMAC_SHA2_256_128" };
  for (const states of await Promise.all([a.states(), b.states()])) {
    expect(states).toMatchObject([
      { child: "child-blue", ...byCbc },
      { child: "child-green", ...byCbc },
    ]);
  }
});

test("a network that the peer does not have is refused, in charon's words, and comes up once it has it", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue", "green");
  await b.add(theirs[0]!, theirs[1]!);
  await a.add(...mine);
  await up(a, "blue");
  const refused = await a.until("tunnel-retrying", ({ child }) => child === "child-green");
  expect(refused.why).toBe("received TS_UNACCEPTABLE notify, no CHILD_SA built");
  const [, green] = await a.states();
  expect(green).toMatchObject({ child: "child-green", why: refused.why });
  await b.add(theirs[2]!);
  await Promise.all([up(a, "green"), up(b, "green")]);
});

test("a peer that has not been told yet costs seconds, not a restart", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue");
  await a.add(...mine);
  const { why } = await a.until("tunnel-retrying");
  expect(why).toBe("received NO_PROPOSAL_CHOSEN notify error");
  await b.add(...theirs);
  await Promise.all([up(a, "blue"), up(b, "blue")]);
});

test("the higher name begins when the lower does not", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue");
  // h1 is told by somebody else: nobody there begins.
  await a.add(...mine);
  await a.tunnels.stop();
  await b.add(...theirs);
  await up(b, "blue");
});

test("a wrong key is refused, and the reason seen on the side that has it", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue");
  b.keys[0] = newKey();
  await b.tunnels.reload();
  const own = connectionRow(b, a);
  await b.add(own, theirs[1]!);
  await a.add(...mine);
  const { why } = await a.until("tunnel-retrying");
  expect(why).toBe("signature validation failed, looking for another key");
  expect((await a.states())[0]).toMatchObject({ why });
  // The right one mends it.
  await a.apply({ verb: "replace", row: connectionRow(a, b), was: mine[0]!.value });
  await Promise.all([up(a, "blue"), up(b, "blue")]);
});

test("an absent peer is tried again until it is there", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue");
  await b.charon.end("SIGKILL");
  await a.add(...mine);
  const { why } = await a.until("tunnel-retrying");
  expect(why).toMatch(/^no answer within 2000 ms$|not responding/);
  await b.charon.start();
  await b.until("charon-back", () => true, b.events.length);
  await b.add(...theirs);
  await Promise.all([up(a, "blue"), up(b, "blue")]);
});

test("a child that is no longer wished goes, and the others stay", async () => {
  await bothUp(pair.ends, "blue", "green");
  const { length } = b.events;
  expect(await a.apply({ verb: "remove", row: childRow(b, "green") })).toEqual([undefined]);
  await b.until("tunnel-down", ({ child }) => child === "child-green", length);
  expect(await a.states()).toMatchObject([{ child: "child-blue", state: "up" }]);
  expect((await b.states())[0]).toMatchObject({ child: "child-blue", state: "up" });
});

test("with its connection a peer's children go", async () => {
  await bothUp(pair.ends, "blue", "green");
  const { length } = b.events;
  await a.apply(...bothRows(pair.ends, "blue", "green")[0].map((row) => ({ verb: "remove", row }) as const));
  await Promise.all(
    ["blue", "green"].map((net) => b.until("tunnel-down", ({ child }) => child === `child-${net}`, length)),
  );
  expect(await a.states()).toEqual([]);
  expect(await a.tunnels.driver.list("host")).toEqual([]);
});

test("a peer that is killed is noticed, and its tunnels come back with it", async () => {
  await bothUp(pair.ends, "blue");
  const { length } = a.events;
  await b.charon.end("SIGKILL");
  const { why } = await a.until("tunnel-down");
  expect(why).toMatch(/giving up after/);
  const there = b.events.length;
  await b.charon.start();
  await b.until("charon-back", () => true, there);
  await b.add(...bothRows(pair.ends, "blue")[1]);
  await Promise.all([up(a, "blue", length), up(b, "blue", there)]);
});

test("another address of the peer makes a new IKE_SA, and the old one goes when it is up", async () => {
  await bothUp(pair.ends, "blue");
  const row = connectionRow(a, b, { remote: nowhere });
  const { length } = a.events;
  await a.apply({ verb: "replace", row, was: connectionRow(a, b).value });
  // Nobody is there: what stands is not touched.
  await a.until("tunnel-retrying", () => true, length);
  expect((await a.states())[0]).toMatchObject({ state: "up", remote: "10.99.0.2:4500" });
  await b.host.output("ip", ["address", "add", `${nowhere}/24`, "dev", "eth0"]);
  await b.apply({
    verb: "replace",
    row: connectionRow(b, a, { local: nowhere }),
    was: connectionRow(b, a).value,
  });
  await expect.poll(async () => (await a.states())[0]).toMatchObject({ remote: `${nowhere}:4500` });
  expect(a.events.slice(length).filter(({ type }) => type === "tunnel-down")).toEqual([]);
  await b.host.output("ip", ["address", "del", `${nowhere}/24`, "dev", "eth0"]);
});

test("two hundred peers that are not there hold up none that is", async () => {
  const [mine, theirs] = bothRows(pair.ends, "blue");
  const dead = Array.from({ length: 200 }, (_, n) => {
    const { value } = connectionRow(a, b, { host: `x${n}`, remote: fromNumber(toNumber(ip("10.77.0.1")) + n) });
    const key = `conn-x${n}`;
    return [
      { ...mine[0]!, key, value },
      { ...mine[1]!, key: `${key} child-blue` },
    ];
  });
  await a.add(...dead.flat());
  await a.until("tunnel-retrying", ({ attempt }) => attempt === 2);
  await b.add(...theirs);
  await a.add(...mine);
  await Promise.all([up(a, "blue"), up(b, "blue")]);
  const states = await a.states();
  expect(states.filter(({ state }) => state === "up")).toMatchObject([{ peer: "h2" }]);
  expect(states).toHaveLength(201);
  for (const { state } of states) expect(["up", "down", "connecting"]).toContain(state);
});
