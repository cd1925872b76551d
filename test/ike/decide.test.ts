import { describe, expect, test } from "vitest";
import type { Child, Connection } from "../../src/desired/rows.ts";
import { decide } from "../../src/ike/decide.ts";
import { observe } from "../../src/ike/observe.ts";
import { type Memory, newMemory, type Peer, strayMs } from "../../src/ike/peer.ts";
import type { Step } from "../../src/ike/plan.ts";
import type { ChildSa, IkeSa } from "../../src/ike/sa.ts";
import { defaultTimings as timings } from "../../src/ike/timings.ts";
import type { TunnelEvent } from "../../src/ike/tunnel-event.ts";
import { newWatched, noteChange, noteLost } from "../../src/ike/watched.ts";
import { fromNumber, type Ip } from "../../src/model/address.ts";

let ids = 0;

function child(name: string, changes: Partial<ChildSa> = {}): ChildSa {
  return {
    id: `${++ids}`,
    name: `child-${name}`,
    label: name,
    state: "INSTALLED",
    mode: "tunnel",
    encap: true,
    cipher: "AES_GCM_16-128",
    spiIn: "c0000001",
    spiOut: "c0000002",
    bytesIn: 0,
    bytesOut: 0,
    packetsIn: 1,
    packetsOut: 0,
    installedS: 100,
    ...changes,
  };
}

function ike(children: ChildSa[], changes: Partial<IkeSa> = {}): IkeSa {
  const place = { conn: "conn-h2", local: "10.99.0.1:4500", remote: "10.99.0.2:4500", cipher: "AES_GCM_16-128" };
  const state = { state: "ESTABLISHED", initiator: true, isMaking: false, establishedS: 0 };
  return { id: `${++ids}`, ...place, ...state, children, ...changes };
}

function peer(wanted: string[], sas: IkeSa[], isLower = true): Peer {
  return { conn: "conn-h2", isLower, wanted: wanted.map((net) => `child-${net}`), sas };
}

const connection: Connection = {
  ...{ type: "connection", host: "h2", local: "10.99.0.1" as Ip, remote: "10.99.0.2" as Ip, encap: true },
  auth: { type: "psk" },
};

/** One look: what is told, what is done, by what packets leave, and when the next look is due from now. */
function look(given: Peer, memory: Memory, now: number, why?: string) {
  const events = observe(given, memory, { now, asOf: now, random: 0, why }, timings);
  const { steps, again } = decide(given, memory, now, timings);
  const known = new Set(given.sas.flatMap(({ children }) => children.map(({ id }) => id)));
  for (const step of steps) if (step.do === "initiate") memory.attempt = { ...step, at: now, answeredAt: now, known };
  const preferred = steps.filter((step) => step.do === "prefer");
  const others = steps.filter((step) => step.do !== "prefer");
  return {
    events,
    steps: others.map(inWords),
    preferred: preferred.map(({ id }) => id),
    in: again === undefined ? undefined : again - now,
  };
}

function inWords(step: Exclude<Step, { do: "prefer" }>): string {
  if (step.do === "initiate") return `initiate ${step.child}${step.instead ? ` instead of ${step.instead}` : ""}`;
  if (step.do === "leave") return `leave ${step.older.map(({ spi }) => spi.toString(16)).join()}`;
  if (step.do === "retell") return step.do;
  if (step.do === "rekey") return `rekey ${step.id}`;
  return `${step.do} ${step.id} ${step.because}${"abrupt" in step && step.abrupt ? " abruptly" : ""}`;
}

const types = (events: TunnelEvent[]) => events.map(({ type }) => type);
const connecting = (changes: Partial<IkeSa> = {}) => ike([], { state: "CONNECTING", ...changes });

describe("what is missing", () => {
  test("the lower name begins at once, one child at a time", () => {
    const memory = newMemory();
    expect(look(peer(["blue", "green"], []), memory, 1000).steps).toEqual(["initiate child-blue"]);
    const underway = look(peer(["blue", "green"], [connecting()]), memory, 1010);
    expect(underway).toEqual({ events: [], steps: [], preferred: [], in: timings.attemptMs - 10 });
    const blue = look(peer(["blue", "green"], [ike([child("blue")])]), memory, 1020);
    expect(blue.events).toMatchObject([{ type: "tunnel-up", peer: "h2", child: "child-blue", ms: 20 }]);
    expect(blue.steps).toEqual(["initiate child-green"]);
  });

  test("the higher name waits, and begins when nothing came", () => {
    const memory = newMemory();
    expect(look(peer(["blue"], [], false), memory, 0)).toMatchObject({ steps: [], in: timings.graceMs });
    expect(look(peer(["blue"], [], false), memory, timings.graceMs).steps).toEqual(["initiate child-blue"]);
  });

  test("what was up before is no news, and needs nothing", () => {
    const memory = newMemory();
    const blue = child("blue");
    const given = peer(["blue"], [ike([blue], { establishedS: 100 })]);
    expect(look(given, memory, 0)).toEqual({ events: [], steps: [], preferred: [blue.id], in: undefined });
  });

  test("attempts that lead nowhere are further and further apart, and told at 1, 2, 4, 8", () => {
    const memory = newMemory();
    let now = 0;
    const told: number[] = [];
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt++) {
      expect(look(peer(["blue"], []), memory, now).steps).toEqual(["initiate child-blue"]);
      const failed = look(peer(["blue"], []), memory, now + 5, "received AUTHENTICATION_FAILED notify error");
      for (const event of failed.events) if (event.type === "tunnel-retrying") told.push(event.attempt);
      pauses.push(failed.in ?? 0);
      now += 5 + (failed.in ?? 0);
    }
    expect(told).toEqual([1, 2, 4, 8]);
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]);
  });

  test("another reason is told at once", () => {
    const memory = newMemory();
    memory.failing.set("", { attempt: 5, why: "no answer", nextAt: 0 });
    memory.attempt = { child: "child-blue", at: 0, answeredAt: 0 };
    const { events } = look(peer(["blue"], []), memory, 10, "received NO_PROPOSAL_CHOSEN notify error");
    expect(events).toMatchObject([{ attempt: 6, why: "received NO_PROPOSAL_CHOSEN notify error" }]);
  });

  test("an attempt that goes on for too long is ended and counts as failed", () => {
    const memory = newMemory();
    look(peer(["blue"], []), memory, 0);
    const sa = connecting();
    expect(look(peer(["blue"], [sa]), memory, timings.attemptMs - 1).steps).toEqual([]);
    const late = look(peer(["blue"], [sa]), memory, timings.attemptMs);
    expect(late.steps).toEqual([`end-ike ${sa.id} late abruptly`]);
    expect(late.events).toMatchObject([{ type: "tunnel-retrying", why: "no answer within 15000 ms" }]);
  });

  test("an attempt that was under way before has its time as well", () => {
    const memory = newMemory();
    const sa = connecting();
    expect(look(peer(["blue"], [sa]), memory, 0)).toMatchObject({ steps: [], in: timings.attemptMs });
    expect(look(peer(["blue"], [sa]), memory, timings.attemptMs).steps).toEqual([`end-ike ${sa.id} late abruptly`]);
  });

  test("a child that the peer refuses holds up no other", () => {
    const memory = newMemory();
    const sa = ike([]);
    expect(look(peer(["blue", "green"], [sa]), memory, 0).steps).toEqual(["initiate child-blue"]);
    const refused = look(
      peer(["blue", "green"], [sa]),
      memory,
      5,
      "received TS_UNACCEPTABLE notify, no CHILD_SA built",
    );
    expect(refused.steps).toEqual(["initiate child-green"]);
    const next = look(peer(["blue", "green"], [ike([child("green")], { id: sa.id })]), memory, 10);
    expect(next).toMatchObject({ steps: [], in: 995 });
  });

  test("an attempt goes on beside what the peer has begun, which is none of its own", () => {
    const memory = newMemory();
    look(peer(["blue"], []), memory, 0);
    const theirs = ike([child("blue")], { initiator: false });
    expect(look(peer(["blue"], [theirs, connecting()]), memory, 10).steps).toEqual([]);
    expect(memory.attempt).toBeDefined();
    expect(memory.made.size).toBe(0);
  });

  test("while the peer begins, the other side's IKE_SA is not mistaken for one of ours", () => {
    const memory = newMemory();
    const theirs = connecting({ initiator: false });
    expect(look(peer(["blue"], [theirs], false), memory, 0).in).toBe(timings.graceMs);
  });
});

describe("what is too much", () => {
  test("SAs of what we took from charon go at once", () => {
    const memory = newMemory();
    const [blue, green] = [child("blue"), child("green")];
    const sa = ike([blue, green]);
    memory.strays.set("child-green", -strayMs);
    expect(look(peer(["blue"], [sa]), memory, 0).steps).toEqual([`end-child ${green.id} unwanted`]);
    memory.strays.set("", -strayMs);
    expect(look(peer([], [sa, connecting()]), memory, 0).steps).toEqual([
      `end-ike ${sa.id} unwanted`,
      `end-ike ${ids} unwanted abruptly`,
    ]);
  });

  test("SAs of what somebody else took stay for a while", () => {
    const memory = newMemory();
    const sa = ike([child("blue")]);
    expect(look(peer([], [sa]), memory, 0)).toMatchObject({ steps: [], in: strayMs });
    look(peer(["blue"], [sa]), memory, 10);
    expect(look(peer([], [sa]), memory, 20)).toMatchObject({ steps: [], in: strayMs });
    expect(look(peer([], [sa]), memory, 20 + strayMs).steps).toEqual([`end-ike ${sa.id} unwanted`]);
  });

  test("of two IKE_SAs the lower name ends the older, when both have stood for a moment", () => {
    const memory = newMemory();
    const [one, two] = [ike([child("blue")]), ike([child("blue")])];
    memory.established.set(one.id, 20);
    memory.established.set(two.id, 10);
    const given = peer(["blue"], [one, two]);
    look(given, memory, 30);
    expect(look(given, memory, 130)).toMatchObject({ steps: ["leave c0000002"], in: timings.duplicateMs - 100 });
    // Both ends send by the newest: nothing is lost if its children go first.
    const ends = [`end-child ${two.children[0]?.id} duplicate`];
    expect(look(given, memory, 30 + timings.duplicateMs).steps).toEqual(ends);
    // Asked once, until it should have been done.
    expect(look(given, memory, 50 + timings.duplicateMs)).toMatchObject({ steps: [], in: 4980 });
    expect(look(given, memory, 5030 + timings.duplicateMs).steps).toEqual(ends);
    const empty = peer(["blue"], [one, { ...two, children: [] }]);
    expect(look(empty, memory, 6000 + timings.duplicateMs).steps).toEqual([`end-ike ${two.id} duplicate`]);
  });

  test("of two IKE_SAs one that carries more than the newest stays while something comes by it, until all moves to a third", () => {
    const more = ike([child("blue"), child("green")], { establishedS: 900 });
    const newest = ike([child("blue")]);
    const wanted = ["blue", "green"];
    const silent = newMemory();
    look(peer(wanted, [more, newest]), silent, 0);
    look(peer(wanted, [more, newest]), silent, 100);
    expect(look(peer(wanted, [more, newest]), silent, 1000).steps).toEqual([`end-ike ${more.id} duplicate`]);
    const lively = newMemory();
    const heard = { ...more, children: more.children.map((each) => ({ ...each, packetsIn: 9 })) };
    look(peer(wanted, [more, newest]), lively, 0);
    look(peer(wanted, [more, newest]), lively, 100);
    expect(look(peer(wanted, [heard, newest]), lively, 1000).steps).toEqual([]);
    // On which of two of one connection charon makes the other child is not ours to say.
    expect(look(peer(wanted, [heard, newest]), lively, 6000).steps).toEqual(["retell"]);
  });

  test("nor does silence end one before it is certain that the peer has the newest", () => {
    const old = ike([child("blue"), child("green")], { establishedS: 900 });
    const fresh = ike([child("blue", { packetsIn: 0 })], { initiator: false });
    const given = peer(["blue", "green"], [old, fresh]);
    const memory = newMemory();
    for (const at of [0, 100, 1000, 1200]) look(given, memory, at);
    expect(look(given, memory, 2000).steps).toEqual([]);
    memory.made.add(fresh.children[0]?.id ?? "");
    expect(look(given, memory, 2010).steps).toEqual([`end-ike ${old.id} duplicate`]);
  });

  test("of two that are both of what was told before the newest stays as well", () => {
    const memory = newMemory();
    const [old, fresh] = [ike([child("blue")], { establishedS: 900 }), ike([child("blue")])];
    for (const { id } of [old, fresh]) memory.stale.add(id);
    const given = peer(["blue"], [old, fresh]);
    for (const at of [0, 100]) look(given, memory, at);
    expect(look(given, memory, 1000).steps).toEqual([`end-child ${old.children[0]?.id} duplicate`]);
  });

  test("the higher name does when the lower should have in any case", () => {
    const memory = newMemory();
    const [one, two] = [ike([child("blue")]), ike([child("blue")])];
    const given = peer(["blue"], [one, two], false);
    expect(look(given, memory, 0)).toMatchObject({ steps: [], preferred: [two.children[0]?.id] });
    const patience = 10 * timings.duplicateMs + 3 * timings.quietMs;
    expect(look(given, memory, 100)).toMatchObject({ steps: [], in: patience - 100 });
    expect(look(given, memory, patience).steps).toEqual([`end-child ${one.children[0]?.id} duplicate`]);
  });

  test("of two children the newest stays; one that is being rekeyed is none of two", () => {
    const memory = newMemory();
    const [one, two] = [child("blue"), child("blue")];
    const given = peer(["blue"], [ike([two, one])]);
    // Packets leave by the one that stays before the other ends, since the peer takes its own end away at once.
    expect(look(given, memory, 0).preferred).toEqual([two.id]);
    const leave = [expect.objectContaining({ spi: 0xc0000002 })];
    expect(decideAfterLook(given, memory, timings.duplicateMs).steps).toEqual([
      { do: "end-child", id: one.id, because: "duplicate", child: "child-blue", leave },
    ]);
    const young = peer(["blue"], [ike([{ ...two, installedS: 0 }, one])]);
    const other = newMemory();
    look(young, other, 0);
    expect(look(young, other, timings.duplicateMs)).toMatchObject({ steps: [], preferred: [two.id], in: 1000 });
    const rekeying = peer(["blue"], [ike([child("blue", { state: "REKEYED" }), child("blue")])]);
    expect(look(rekeying, newMemory(), 0).in).toBeUndefined();
  });
});

describe("what is another than it was", () => {
  test("a stale IKE_SA stays while nothing is missing", () => {
    const memory = newMemory();
    const sa = ike([child("blue")]);
    memory.stale.add(sa.id);
    const preferred = sa.children.map(({ id }) => id);
    expect(look(peer(["blue"], [sa]), memory, 0)).toEqual({ events: [], steps: [], preferred, in: undefined });
  });

  test("one that is wrong is followed by a new one, and goes when all is up beside it", () => {
    const memory = newMemory();
    const old = ike([child("blue"), child("green")]);
    memory.stale.add(old.id);
    memory.renewSince = 0;
    const wanted = ["blue", "green"];
    expect(look(peer(wanted, [old]), memory, 0).steps).toEqual(["initiate child-blue"]);
    const half = ike([child("blue")]);
    expect(look(peer(wanted, [old, half]), memory, 10).steps).toEqual(["initiate child-green"]);
    const last = child("green", { installedS: 0 });
    const whole = ike([...half.children, last], { id: half.id });
    // The peer may have its end of it in place only a moment later.
    expect(look(peer(wanted, [old, whole]), memory, 20)).toMatchObject({ steps: [], preferred: [] });
    look(peer(wanted, [old, whole], false), memory, 120);
    expect(look(peer(wanted, [old, whole], false), memory, 130)).toMatchObject({ steps: [], preferred: [], in: 880 });
    const done = look(peer(wanted, [old, whole], false), memory, 1020);
    expect(done).toMatchObject({ events: [], steps: [], preferred: [last.id], in: 1000 });
    // Its children before itself: the peer sends by them no more when it has answered.
    const [blue, green] = old.children;
    const ends = look(peer(wanted, [old, whole], false), memory, 2020);
    expect(ends.steps).toEqual([`end-child ${blue?.id} replaced`, `end-child ${green?.id} replaced`]);
    // charon does one thing at a time: what it has not begun yet is not asked for again.
    expect(look(peer(wanted, [old, whole], false), memory, 2025)).toMatchObject({ steps: [], in: 4995 });
    const ending = { ...old, children: old.children.map((each) => ({ ...each, state: "DELETING" })) };
    expect(look(peer(wanted, [ending, whole]), memory, 2030).steps).toEqual([]);
    const empty = look(peer(wanted, [{ ...old, children: [] }, whole]), memory, 2040);
    expect(empty).toMatchObject({ events: [], steps: [`end-ike ${old.id} replaced`] });
    look(peer(wanted, [whole]), memory, 30);
    expect(memory.renewSince).toBeUndefined();
  });

  test("it is another by each telling that says something else, though the same was told before", () => {
    const watched = newWatched("conn-h2");
    const { memory } = watched;
    const told = (n: number, toldAt: number) => ({
      connection: { ...connection, remote: fromNumber(n) },
      children: new Map(),
      toldAt,
    });
    const sa = ike([child("blue")]);
    watched.sas = [sa];
    noteChange(watched, told(1, 10), told(1, 10), "us", 1010);
    expect([...memory.stale]).toEqual([]);
    noteChange(watched, told(1, 10), told(2, 20), "us", 1020);
    // Made meanwhile, before charon's answer was heard.
    memory.established.set("young", 1035);
    noteChange(watched, told(2, 20), told(1, 30), "us", 1030);
    expect([...memory.stale]).toEqual([sa.id]);
    expect(memory.renewSince).toBe(1020);
    // The same, told as another one, so that all moves.
    memory.renewSince = undefined;
    noteChange(watched, told(1, 30), told(1, 35), "us", 1035);
    expect(memory.renewSince).toBe(1035);
    // What somebody else took from charon is another when it is told again.
    memory.established.set("old", 1036);
    noteChange(watched, undefined, told(1, 40), "us", 1040);
    expect([...memory.stale]).toEqual([sa.id, "young", "old"]);
  });

  test("a child that is wished no more, and again before anybody looks, is up anew", () => {
    const watched = newWatched("conn-h2");
    const { memory } = watched;
    const told = (toldAt: number) => ({ connection, children: new Map([["child-blue", {} as Child]]), toldAt });
    const old = ike([child("blue")], { establishedS: 100 });
    look(peer(["blue"], [old]), memory, 900);
    watched.sas = [old];
    noteChange(watched, told(10), undefined, "us", 1000);
    noteChange(watched, undefined, told(20), "us", 1010);
    const made = ike([child("blue", { installedS: 0 })]);
    expect(look(peer(["blue"], [made]), memory, 1020).events).toMatchObject([{ type: "tunnel-up", ms: 10 }]);
  });

  test("also where this agent has not seen it, unless it was made in the same second", () => {
    const ages = [99, 100, 102].map((establishedS) => ike([child("blue")], { establishedS }));
    const stale = ages.map((sa) => {
      const memory = newMemory();
      look({ ...peer(["blue"], [sa]), toldMs: 100_000 }, memory, 0);
      return memory.stale.size;
    });
    expect(stale).toEqual([0, 0, 1]);
  });

  test("charon shows that it is none, though it seemed so, by making a child on it", () => {
    const memory = newMemory();
    const [old, fresh] = [child("blue"), child("blue")];
    const sa = ike([old]);
    memory.stale.add(sa.id);
    memory.wishes.set("child-blue", 1);
    expect(look(peer(["blue"], [sa]), memory, 10).steps).toEqual([`initiate child-blue instead of ${old.id}`]);
    look(peer(["blue"], [{ ...sa, children: [old, fresh] }]), memory, 20);
    expect(memory.stale.size).toBe(0);
    // It is none of a peer's making: that is no word of ours on it.
    memory.stale.add(sa.id);
    look(peer(["blue"], [{ ...sa, children: [old, fresh, child("blue")] }]), memory, 30);
    expect(memory.stale.size).toBe(1);
  });

  test("charon shows it, too, by making another IKE_SA: what the old one carries moves there", () => {
    const memory = newMemory();
    const old = ike([child("blue"), child("green")], { establishedS: 900 });
    const wanted = ["blue", "green", "red"];
    expect(look(peer(wanted, [old]), memory, 0).steps).toEqual(["initiate child-red"]);
    const fresh = ike([child("red")]);
    const next = look(peer(wanted, [old, fresh]), memory, 10);
    expect(next.steps).toEqual(["initiate child-blue"]);
    // But not where there were two, of which it may take either.
    const two = newMemory();
    const [one, another] = [ike([child("blue")], { establishedS: 900 }), ike([child("blue")], { establishedS: 800 })];
    two.attempt = { child: "child-red", at: 0, answeredAt: 0, known: new Set() };
    look(peer(wanted, [one, { ...another, children: [...another.children, child("red")] }]), two, 10);
    expect(two.stale.size).toBe(0);
    // Nor where both began at once.
    const other = newMemory();
    look(peer(wanted, []), other, 0);
    look(peer(wanted, [ike([child("blue")]), ike([child("blue")])]), other, 10);
    expect(other.stale.size).toBe(0);
  });

  test("what moves to a new IKE_SA waits for a moment only, where the other has the lower name", () => {
    const memory = newMemory();
    const old = ike([child("blue"), child("green")]);
    memory.stale.add(old.id);
    const fresh = ike([child("blue")]);
    const given = (isLower: boolean) => peer(["blue", "green"], [old, fresh], isLower);
    expect(look(given(false), memory, 0).steps).toEqual([]);
    expect(look(given(false), memory, 500).steps).toEqual(["initiate child-green"]);
    memory.attempt = undefined;
    expect(look(given(true), memory, 0).steps).toEqual(["initiate child-green"]);
    // The lower is at it.
    const other = newMemory();
    other.stale.add(old.id);
    other.established.set(fresh.id, -5000);
    const moving = peer(["blue", "green"], [old, { ...fresh, children: [child("blue", { installedS: 1 })] }], false);
    expect(look(moving, other, 0)).toMatchObject({ steps: [], in: 500 });
  });

  test("a move that is refused is tried again with a pause, while what stands stays", () => {
    const memory = newMemory();
    const old = ike([child("blue")]);
    memory.stale.add(old.id);
    memory.renewSince = 0;
    expect(look(peer(["blue"], [old]), memory, 0).steps).toEqual(["initiate child-blue"]);
    const failed = look(peer(["blue"], [old]), memory, 5, "received AUTHENTICATION_FAILED notify error");
    expect(failed).toMatchObject({ steps: [], in: 1000 });
    expect(types(failed.events)).toEqual(["tunnel-retrying"]);
  });

  test("one that is wrong does not stay for ever because nothing follows", () => {
    const memory = newMemory();
    const old = ike([child("blue")]);
    memory.stale.add(old.id);
    memory.renewSince = memory.revokeSince = 0;
    look(peer(["blue"], [old]), memory, 0);
    look(peer(["blue"], [old]), memory, 5, "received AUTHENTICATION_FAILED notify error");
    memory.failing.set("", { attempt: 9, why: "received AUTHENTICATION_FAILED notify error", nextAt: 1e9 });
    expect(look(peer(["blue"], [old]), memory, timings.revokeMs - 1)).toMatchObject({ steps: [], in: 1 });
    expect(look(peer(["blue"], [old]), memory, timings.revokeMs).steps).toEqual([`end-ike ${old.id} revoked abruptly`]);
  });

  test("nor because the peer is slow to let it go", () => {
    const memory = newMemory();
    const [old, fresh] = [ike([child("blue")]), ike([child("blue")])];
    memory.stale.add(old.id);
    memory.renewSince = memory.revokeSince = 0;
    look(peer(["blue"], [old, fresh]), memory, 0);
    const slow = { ...old, children: old.children.map((each) => ({ ...each, state: "DELETING" })) };
    const revoked = [`end-ike ${old.id} revoked abruptly`];
    expect(look(peer(["blue"], [slow, fresh]), memory, timings.revokeMs - 1).steps).toEqual([]);
    expect(look(peer(["blue"], [slow, fresh]), memory, timings.revokeMs).steps).toEqual(revoked);
  });

  test("one that was made before a key was taken is wrong, also where this agent has seen neither", () => {
    const old = ike([child("blue")], { establishedS: 100 });
    const given = { ...peer(["blue"], [old]), revokedMs: 90_000 };
    const memory = newMemory();
    // So much later that the next agent can tell what is made now from what was before.
    expect(look(given, memory, 0)).toMatchObject({ steps: [], in: 2500 });
    expect(look(given, memory, 2500).steps).toEqual(["initiate child-blue"]);
    memory.failing.set("", { attempt: 9, why: "received AUTHENTICATION_FAILED notify error", nextAt: 1e9 });
    memory.attempt = undefined;
    expect(look(given, memory, timings.revokeMs).steps).toEqual([`end-ike ${old.id} revoked abruptly`]);
    const made = ike([child("blue")], { establishedS: 80 });
    expect(look({ ...peer(["blue"], [made]), revokedMs: 90_000 }, newMemory(), 0).steps).toEqual([]);
  });

  test("a child that was told anew is ended, to come up as it is now", () => {
    const memory = newMemory();
    const blue = child("blue");
    memory.outdated.add(blue.id);
    expect(look(peer(["blue"], [ike([blue])]), memory, 0).steps).toEqual([`end-child ${blue.id} replaced`]);
  });
});

describe("what is lost", () => {
  test("a child that the kernel lost is rekeyed, and ended where that does not help", () => {
    const memory = newMemory();
    const blue = child("blue");
    const given = peer(["blue"], [ike([blue])]);
    memory.lost.set(blue.id, undefined);
    expect(look(given, memory, 0)).toMatchObject({ steps: [`rekey ${blue.id}`], in: 3000 });
    expect(look(given, memory, 100)).toMatchObject({ steps: [], in: 2900 });
    expect(look(given, memory, 3000).steps).toEqual([`end-child ${blue.id} lost`]);
  });

  test("one that goes is told with charon's word, and comes up again with the time that it took", () => {
    const memory = newMemory();
    look(peer(["blue"], [ike([child("blue")])]), memory, 0);
    const gone = look(peer(["blue"], []), memory, 100, "giving up after 3 retransmits");
    expect(gone.events).toMatchObject([
      { type: "tunnel-down", child: "child-blue", why: "giving up after 3 retransmits" },
    ]);
    expect(gone.steps).toEqual(["initiate child-blue"]);
    const back = look(peer(["blue"], [ike([child("blue")])]), memory, 350);
    expect(back.events).toMatchObject([{ type: "tunnel-up", ms: 250 }]);
  });

  test("one that follows another by rekeying is told as that, once", () => {
    const memory = newMemory();
    look(peer(["blue"], [ike([child("blue")])]), memory, 0);
    const next = child("blue");
    const given = peer(["blue"], [ike([next])]);
    expect(types(look(given, memory, 10).events)).toEqual(["tunnel-rekeyed"]);
    expect(types(look(given, memory, 20).events)).toEqual([]);
  });
});

describe("what has had its keys for long", () => {
  const soon = { rekeyInS: 500, installedS: 2900 };

  test("is followed by another before charon rekeys it, and ends when both sides send by that", () => {
    const memory = newMemory();
    const old = child("blue", { ...soon, spiOut: "c0000007" });
    const sa = ike([old]);
    const given = (...children: ChildSa[]) => peer(["blue"], [{ ...sa, children }]);
    // charon's own time of it, less than what both ends spread theirs over.
    expect(look(given(old), memory, 0)).toMatchObject({ steps: [], in: 68_000 });
    const due = { ...old, rekeyInS: 432 };
    expect(look(given(due), memory, 68_000).steps).toEqual([`initiate child-blue instead of ${old.id}`]);
    const fresh = child("blue", { installedS: 0, rekeyInS: 3600, packetsIn: 0 });
    const both = look(given(due, fresh), memory, 68_010);
    expect(types(both.events)).toEqual(["tunnel-rekeyed"]);
    expect(both).toMatchObject({ steps: [], preferred: [] });
    // The peer had its end before it answered.
    expect(look(given(due, fresh), memory, 69_010).preferred).toEqual([fresh.id]);
    // It has been told of none yet, so far as can be seen.
    expect(look(given(due, fresh), memory, 70_010)).toMatchObject({ steps: [], in: 500 });
    const used = { ...fresh, packetsIn: 1 };
    expect(look(given(due, used), memory, 70_510)).toMatchObject({ steps: [], in: 100 });
    expect(look(given(due, used), memory, 70_610).steps).toEqual([`end-child ${old.id} duplicate`]);
    expect(look(given(used), memory, 70_650)).toMatchObject({ events: [], steps: [] });
  });

  test("ends after a while where the peer sends nothing at all", () => {
    const memory = newMemory();
    const [old, fresh] = [child("blue", { packetsIn: 0 }), child("blue", { packetsIn: 0 })];
    const given = peer(["blue"], [ike([old, fresh])]);
    expect(look(given, memory, 0).preferred).toEqual([fresh.id]);
    expect(look(given, memory, timings.quietMs - 1)).toMatchObject({ steps: [], in: 1 });
    expect(look(given, memory, timings.quietMs).steps).toEqual([`end-child ${old.id} duplicate`]);
  });

  test("is followed by what the other side has made when a packet came by that, or should have", () => {
    const young = { installedS: 0, packetsIn: 0 };
    const [old, fresh] = [child("blue"), child("blue", young)];
    const sa = ike([old, fresh]);
    const memory = newMemory();
    look(peer(["blue"], [sa], false), memory, 0);
    expect(look(peer(["blue"], [sa], false), memory, 2000)).toMatchObject({ preferred: [], in: 1000 });
    const used = { ...sa, children: [old, { ...fresh, packetsIn: 3 }] };
    expect(look(peer(["blue"], [used], false), memory, 3000).preferred).toEqual([fresh.id]);
    const other = newMemory();
    look(peer(["blue"], [sa], false), other, 0);
    expect(look(peer(["blue"], [sa], false), other, timings.quietMs).preferred).toEqual([fresh.id]);
  });

  test("is followed by a new IKE_SA's at once where nothing comes by it: the peer may have begun anew", () => {
    const old = child("blue");
    const fresh = child("blue", { installedS: 0, packetsIn: 0 });
    const [first, second] = [ike([old], { establishedS: 900 }), ike([fresh], { initiator: false })];
    const silent = newMemory();
    const given = peer(["blue"], [first, second], false);
    look(given, silent, 0);
    expect(look(given, silent, 1000).preferred).toEqual([fresh.id]);
    const lively = newMemory();
    look(given, lively, 0);
    const heard = peer(["blue"], [{ ...first, children: [{ ...old, packetsIn: 2 }] }, second], false);
    expect(look(heard, lively, 1000)).toMatchObject({ preferred: [], in: 500 });
  });

  test("stays where it is not followed, which is told, and is tried again after a minute", () => {
    const memory = newMemory();
    const old = child("blue", { ...soon, rekeyInS: 400 });
    const given = peer(["blue"], [ike([old])]);
    const begun = [`initiate child-blue instead of ${old.id}`];
    expect(look(given, memory, 0).steps).toEqual(begun);
    const failed = look(given, memory, 10, "received NO_PROPOSAL_CHOSEN notify error");
    const why = "received NO_PROPOSAL_CHOSEN notify error";
    expect(failed.events).toEqual([{ type: "tunnel-rekey-failed", peer: "h2", child: "child-blue", why }]);
    expect(failed).toMatchObject({ steps: [], in: 59_990 });
    expect(look(given, memory, 60_000).steps).toEqual(begun);
  });

  test("is followed by the lower name only, but by either where somebody wishes it, once", () => {
    const memory = newMemory();
    const old = child("blue", { ...soon, rekeyInS: 10 });
    const given = (...children: ChildSa[]) => peer(["blue"], [ike(children)], false);
    expect(look(given(old), memory, 0).steps).toEqual([]);
    memory.wishes.set("child-blue", 50);
    // The lower may have been asked as well.
    expect(look(given(old), memory, 60)).toMatchObject({ steps: [], in: 1990 });
    expect(look(given(old), memory, 2050).steps).toEqual([`initiate child-blue instead of ${old.id}`]);
    expect(look(given(child("blue", { installedS: 0 })), memory, 2060).steps).toEqual([]);
    expect(look(given(child("blue", { installedS: 1 })), memory, 90_000).steps).toEqual([]);
  });

  test("is not judged before charon has answered", () => {
    const memory = newMemory();
    const old = child("blue");
    memory.attempt = { child: "child-blue", at: 0, instead: old.id };
    expect(look(peer(["blue"], [ike([old])]), memory, 10).events).toEqual([]);
    memory.attempt.answeredAt = 15;
    expect(types(look(peer(["blue"], [ike([old])]), memory, 20).events)).toEqual(["tunnel-rekey-failed"]);
  });

  test("waits for as long as charon goes on trying", () => {
    const memory = newMemory();
    const [old, next] = [child("blue", { ...soon, rekeyInS: 400 }), child("blue", { installedS: 0 })];
    const sa = ike([old]);
    look(peer(["blue"], [sa]), memory, 0);
    const trying = peer(["blue"], [{ ...sa, isMaking: true }]);
    expect(look(trying, memory, 2 * timings.attemptMs)).toMatchObject({ events: [], steps: [] });
    look(peer(["blue"], [{ ...sa, children: [old, next] }]), memory, 2 * timings.attemptMs + 10);
    expect([...memory.made]).toEqual([next.id]);
  });

  test("gives way, where it has not begun, to what is missing", () => {
    const memory = newMemory();
    const blue = child("blue");
    memory.attempt = { child: "child-blue", instead: blue.id };
    expect(look(peer(["blue", "green"], [ike([blue])]), memory, 0).steps).toEqual(["initiate child-green"]);
    memory.attempt = { child: "child-blue", instead: blue.id };
    expect(look(peer(["blue"], [ike([blue])]), memory, 10).steps).toEqual([]);
    expect(memory.attempt).toBeDefined();
  });

  test("waits while it is one of two, being rekeyed, lost, or not alone on its IKE_SA's way", () => {
    const due = () => child("blue", { ...soon, rekeyInS: 10 });
    const steps = (...sas: IkeSa[]) => look(peer(["blue"], sas), newMemory(), 0).steps;
    expect(steps(ike([due()]))).toHaveLength(1);
    expect(steps(ike([due(), child("blue", { state: "REKEYED" })]))).toEqual([]);
    expect(steps(ike([child("blue", { ...soon, state: "REKEYING" })]))).toEqual([]);
    expect(steps(ike([due()], { isMaking: true }))).toEqual([]);
    expect(steps(ike([due()]), ike([]))).toEqual([]);
    const memory = newMemory();
    const lost = due();
    memory.lost.set(lost.id, 0);
    expect(look(peer(["blue"], [ike([lost])]), memory, 0).steps).toEqual([]);
    // What it was told by others is told anew first.
    expect(look({ ...peer(["blue"], [ike([due()])]), isStrange: true }, newMemory(), 0).steps).toEqual([]);
  });
});

describe("by what packets leave", () => {
  test("by what is in place at both ends; what is newer waits for that", () => {
    const memory = newMemory();
    const old = child("blue");
    expect(look(peer(["blue"], [ike([old])]), memory, 0)).toMatchObject({ preferred: [old.id], in: undefined });
    // In charon's seconds, of which the first may have ended right after it was made.
    const rekeyed = child("blue", { installedS: 1 });
    // While it is there the peer has not said that it has the other one.
    const both = peer(["blue"], [ike([{ ...old, state: "REKEYED" }, rekeyed])]);
    expect(look(both, memory, 10)).toMatchObject({ preferred: [], in: undefined });
    expect(look(both, memory, 2000)).toMatchObject({ preferred: [] });
    const done = peer(["blue"], [ike([rekeyed])]);
    expect(look(done, memory, 2010)).toMatchObject({ preferred: [rekeyed.id], in: undefined });
    expect(look(done, memory, 2020)).toMatchObject({ preferred: [], in: undefined });
  });

  test("not by an older IKE_SA's, which is no tunnel any more", () => {
    const memory = newMemory();
    const old = ike([child("blue", { spiOut: "c0000007" })], { establishedS: 50 });
    look(peer(["blue"], [old]), memory, 0);
    const fresh = ike([child("blue", { installedS: 0 })]);
    expect(look(peer(["blue"], [old, fresh]), memory, 10)).toMatchObject({ steps: [], preferred: [] });
    const preferred = fresh.children.map(({ id }) => id);
    expect(look(peer(["blue"], [old, fresh]), memory, 1010)).toMatchObject({ steps: [], preferred, in: 100 });
    const left = look(peer(["blue"], [old, fresh]), memory, 1110).steps;
    expect(left).toEqual(["leave c0000007", `end-ike ${old.id} duplicate`]);
    const higher = newMemory();
    look(peer(["blue"], [old, fresh], false), higher, 5000);
    expect(look(peer(["blue"], [old, fresh], false), higher, 5200).steps).toEqual([]);
    // Should the new one go, there is none: the old one goes as well, for charon makes no other beside it.
    expect(look(peer(["blue"], [old]), memory, 1130).steps).toEqual([
      `end-child ${old.children[0]?.id} replaced`,
      "initiate child-blue",
    ]);
  });

  test("by one that comes first again only after it was preferred again", () => {
    const memory = newMemory();
    const [a, b] = [ike([child("blue")]), ike([child("blue")])];
    const [first, second] = [a, b].map((sa) => sa.children[0]?.id);
    memory.established.set(a.id, 20);
    memory.established.set(b.id, 10);
    const given = peer(["blue"], [a, b], false);
    expect(look(given, memory, 30).preferred).toEqual([first]);
    memory.established.set(b.id, 40);
    expect(look(given, memory, 50).preferred).toEqual([second]);
    memory.established.set(a.id, 60);
    expect(look(given, memory, 70).preferred).toEqual([first]);
  });

  test("not by what is stale, though it was rekeyed since and so is younger", () => {
    const memory = newMemory();
    const [fresh, old] = [ike([child("blue")]), ike([child("blue", { spiOut: "c0000007" })])];
    memory.stale.add(old.id);
    const given = peer(["blue"], [old, fresh]);
    expect(look(given, memory, 0).preferred).toEqual([fresh.children[0]?.id]);
    expect(look(given, memory, 100)).toMatchObject({ steps: ["leave c0000007"], in: 900 });
    // The peer has had time to do the same.
    expect(look(given, memory, 1000).steps).toEqual([`end-child ${old.children[0]?.id} replaced`]);
  });

  test("not by what is about to be replaced, of which the kernel's end is no loss", () => {
    const watched = newWatched("conn-h2");
    const { memory } = watched;
    const [old, fresh] = [ike([child("blue", { spiOut: "c0000007" })]), ike([child("blue")])];
    memory.stale.add(old.id);
    decideAfterLook(peer(["blue"], [old, fresh], false), memory, 0);
    const { steps } = decideAfterLook(peer(["blue"], [old, fresh], false), memory, 1000);
    const leave = [{ src: "10.99.0.1", dst: "10.99.0.2", spi: 0xc0000007, bytes: 0, packets: 0 }];
    expect(steps).toEqual([
      { do: "end-child", id: old.children[0]?.id, because: "replaced", child: "child-blue", leave },
    ]);
    const gone = { type: "deleted", dst: "10.99.0.2" as Ip } as const;
    expect(noteLost(watched, [old, fresh], { ...gone, spi: 0xc0000007 }, 10)).toEqual([]);
    expect(noteLost(watched, [old, fresh], { ...gone, spi: 0xc0000002 }, 10)).toEqual(["child-blue"]);
  });
});

function decideAfterLook(given: Peer, memory: Memory, now: number) {
  observe(given, memory, { now, asOf: now, random: 0, why: undefined }, timings);
  return decide(given, memory, now, timings);
}
