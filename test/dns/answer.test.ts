import { describe, expect, test } from "vitest";
import { answer } from "../../src/dns/answer.ts";
import type { Named } from "../../src/dns/facts.ts";
import { indexOf } from "../../src/dns/owners.ts";
import { ip } from "../../src/model/address.ts";
import { ask, contextOf, decoded, packet, queryOf, said, zoneOf } from "./zone.ts";

const chat = { stack: "Rocket-Chat" };
const owners: Record<string, Named> = {
  "10.42.0.2": { name: "mongo", ...chat, service: "db", aliases: ["database"] },
  "10.42.0.3": { name: "web-1", ...chat, service: "web" },
  "10.42.0.4": { name: "web-2", ...chat, service: "web" },
  "10.42.0.5": { name: "web-3", ...chat, service: "web", unhealthy: true },
  "10.42.0.6": { name: "web-1-log", ...chat, service: "web", sidekick: "log" },
  "10.42.0.7": { name: "mongo", stack: "backup", service: "db" },
  "10.42.0.8": { name: "ill", stack: "backup", service: "ill", unhealthy: true },
  "10.42.0.9": { name: "Lonely" },
  "10.42.0.10": { name: "dotted.name", ...chat },
};
const services = {
  "rocket-chat/everything": { aliases: ["web", "backup/db"] },
  "rocket-chat/mixed": { aliases: ["db"], addresses: ["192.0.2.9"], ports: { mongodb: { port: 27017 } } },
  "rocket-chat/web": { ports: { http: { port: 80, protocol: "tcp" } } },
  "rocket-chat/bucket": { cname: "s3.example.com" },
  "rocket-chat/next": { cname: "bucket.rocket-chat.rancher.internal" },
  "rocket-chat/inward": { cname: "mongo.backup.rancher.internal" },
  "rocket-chat/gone": { cname: "nothing.rancher.internal" },
  "loop/a": { cname: "b.loop.rancher.internal", ports: {} },
  "loop/b": { cname: "a.loop.rancher.internal" },
  "loop/c": { aliases: ["d"] },
  "loop/d": { aliases: ["c"], addresses: ["192.0.2.1"] },
};
const zone = zoneOf(owners, services);
const soa = "SOA rancher.internal";

describe("a name of the network", () => {
  test.each([
    // A container: by its name, in its stack, by its alias; several of one name are all meant.
    ["lonely.rancher.internal", "A", "NOERROR 10.42.0.9"],
    ["mongo.rancher.internal", "A", "NOERROR 10.42.0.2 10.42.0.7"],
    ["mongo.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.2"],
    ["database.rancher.internal", "A", "NOERROR 10.42.0.2"],
    ["database.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.2"],
    ["database.backup.rancher.internal", "A", `NXDOMAIN ${soa}`],
    ["dotted.name.rancher.internal", "A", "NOERROR 10.42.0.10"],
    ["dotted.name.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.10"],
    // A service: its healthy members, and no sidekick among them.
    ["web.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.3 10.42.0.4"],
    ["db.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.2"],
    ["db.rancher.internal", "A", `NXDOMAIN ${soa}`],
    ["log.web.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.6"],
    ["ill.backup.rancher.internal", "A", `NOERROR ${soa}`],
    // Aliases of services, and members that are no containers.
    ["everything.rocket-chat.rancher.internal", "A", "NOERROR 10.42.0.3 10.42.0.4 10.42.0.7"],
    ["mixed.rocket-chat.rancher.internal", "A", "NOERROR 192.0.2.9 10.42.0.2"],
    ["c.loop.rancher.internal", "A", "NOERROR 192.0.2.1"],
    // What leads elsewhere.
    ["bucket.rocket-chat.rancher.internal", "A", "chase s3.example.com"],
    ["bucket.rocket-chat.rancher.internal", "CNAME", "NOERROR CNAME s3.example.com"],
    ["next.rocket-chat.rancher.internal", "A", "chase bucket.rocket-chat.rancher.internal s3.example.com"],
    ["inward.rocket-chat.rancher.internal", "A", "NOERROR CNAME mongo.backup.rancher.internal 10.42.0.7"],
    ["inward.rocket-chat.rancher.internal", "AAAA", `NOERROR CNAME mongo.backup.rancher.internal ${soa}`],
    ["gone.rocket-chat.rancher.internal", "A", `NXDOMAIN CNAME nothing.rancher.internal ${soa}`],
    ["a.loop.rancher.internal", "A", "SERVFAIL"],
    // Ports.
    [
      "_http._tcp.web.rocket-chat.rancher.internal",
      "SRV",
      "NOERROR SRV 80 web-1.rocket-chat.rancher.internal SRV 80 web-2.rocket-chat.rancher.internal",
    ],
    [
      "_mongodb._tcp.mixed.rocket-chat.rancher.internal",
      "SRV",
      "NOERROR SRV 27017 192-0-2-9.mixed.rocket-chat.rancher.internal SRV 27017 mongo.rocket-chat.rancher.internal",
    ],
    ["192-0-2-9.mixed.rocket-chat.rancher.internal", "A", "NOERROR 192.0.2.9"],
    ["192-0-2-8.mixed.rocket-chat.rancher.internal", "A", `NXDOMAIN ${soa}`],
    ["_http._udp.web.rocket-chat.rancher.internal", "SRV", `NXDOMAIN ${soa}`],
    ["_tcp.web.rocket-chat.rancher.internal", "SRV", `NOERROR ${soa}`],
    ["_http._tcp.web.rocket-chat.rancher.internal", "A", `NOERROR ${soa}`],
    // Nothing of the type, or nothing at all.
    ["mongo.rancher.internal", "AAAA", `NOERROR ${soa}`],
    ["mongo.rancher.internal", "MX", `NOERROR ${soa}`],
    ["rocket-chat.rancher.internal", "A", `NOERROR ${soa}`],
    ["name.rancher.internal", "A", `NOERROR ${soa}`],
    ["nothing.rancher.internal", "A", `NXDOMAIN ${soa}`],
    ["nothing.rancher.internal", "AAAA", `NXDOMAIN ${soa}`],
    // The domain itself.
    ["rancher.internal", "A", `NOERROR ${soa}`],
    ["rancher.internal", "SOA", `NOERROR ${soa}`],
    ["rancher.internal", "NS", "NOERROR NS _dns.rancher.internal"],
    ["_dns.rancher.internal", "A", "NOERROR 169.254.169.250"],
    ["rancher.internal", "AXFR", "REFUSED"],
    // RFC 8482.
    ["mongo.rancher.internal", "ANY", "NOERROR HINFO RFC8482"],
    ["nothing.rancher.internal", "ANY", `NXDOMAIN ${soa}`],
  ])("%s %s: %s", (name, type, expected) => {
    expect(said(ask(zone, name, type))).toBe(expected);
  });
});

describe("an address", () => {
  test.each([
    ["2.0.42.10.in-addr.arpa", "PTR", "NOERROR PTR mongo.rocket-chat.rancher.internal"],
    ["9.0.42.10.in-addr.arpa", "PTR", "NOERROR PTR Lonely.rancher.internal"],
    ["9.0.42.10.in-addr.arpa", "A", "NOERROR SOA 42.10.in-addr.arpa"],
    ["200.0.42.10.in-addr.arpa", "PTR", "NXDOMAIN SOA 42.10.in-addr.arpa"],
    ["0.42.10.in-addr.arpa", "PTR", "NOERROR SOA 42.10.in-addr.arpa"],
    ["x.2.0.42.10.in-addr.arpa", "PTR", "NXDOMAIN SOA 42.10.in-addr.arpa"],
    ["1.2.0.42.10.in-addr.arpa", "PTR", "NXDOMAIN SOA 42.10.in-addr.arpa"],
    ["2.0.43.10.in-addr.arpa", "PTR", "forward"],
    ["10.in-addr.arpa", "PTR", "forward"],
    ["02.0.42.10.in-addr.arpa", "PTR", "NXDOMAIN SOA 42.10.in-addr.arpa"],
    // Link-local ones are nobody's outside (RFC 6303, 4.5), and one of them is the server's.
    ["250.169.254.169.in-addr.arpa", "PTR", "NOERROR PTR _dns.rancher.internal"],
    ["254.169.254.169.in-addr.arpa", "PTR", "NXDOMAIN SOA 254.169.in-addr.arpa"],
    ["lb._dns-sd._udp.0.0.254.169.in-addr.arpa", "PTR", "NXDOMAIN SOA 254.169.in-addr.arpa"],
    ["254.169.in-addr.arpa", "NS", "NOERROR SOA 254.169.in-addr.arpa"],
    ["169.in-addr.arpa", "PTR", "forward"],
  ])("%s %s: %s", (name, type, expected) => {
    expect(said(ask(zone, name, type))).toBe(expected);
  });

  test.each([
    ["10.0.0.0/8", "10.in-addr.arpa"],
    ["10.32.0.0/11", "42.10.in-addr.arpa"],
    ["10.42.0.0/20", "0.42.10.in-addr.arpa"],
    ["10.42.0.0/26", "2.0.42.10.in-addr.arpa"],
  ])("of %s belongs to the part of the tree that is all the network's: %s", (cidr, part) => {
    expect(said(ask(zoneOf({}, {}, { cidr }), "2.0.42.10.in-addr.arpa", "PTR"))).toBe(`NXDOMAIN SOA ${part}`);
  });
});

describe("what is no name of the network", () => {
  const domains = new Set(["green.example", "rancher.internal"]);
  test.each([
    ["example.com", "A", "forward"],
    ["notrancher.internal", "A", "forward"],
    ["internal", "NS", "forward"],
    // Another network's; and a bare word, which nobody outside knows.
    ["mongo.green.example", "A", "NXDOMAIN"],
    ["mongo.green.skein.internal", "A", "NXDOMAIN"],
    ["hubot", "A", "NXDOMAIN"],
    ["hubot", "AAAA", "NXDOMAIN"],
    ["hubot", "MX", "NXDOMAIN"],
    ["hubot", "TXT", "NXDOMAIN"],
    ["hubot", "SRV", "NXDOMAIN"],
    ["hubot", "ANY", "NXDOMAIN"],
    // What resolvers ask of top-level domains, and of the root.
    ["com", "NS", "forward"],
    ["com", "SOA", "forward"],
    ["com", "DS", "forward"],
    ["com", "DNSKEY", "forward"],
    ["", "NS", "forward"],
    // Below a stack of the network, as resolvers try it when the search list had no answer.
    ["web.rocket-chat", "A", "NXDOMAIN"],
    ["Nobody.Rocket-Chat", "TXT", "NXDOMAIN"],
    // But a stack may be called as a top-level domain is.
    ["www.example.rocket-chat", "A", "forward"],
    ["rocket-chat", "NS", "forward"],
    ["a.loop", "A", "NXDOMAIN"],
    ["rocket-chat.example.com", "A", "forward"],
    ["web.notrocket-chat", "A", "forward"],
  ])("%s %s: %s", (name, type, expected) => {
    expect(said(ask(zone, name, type, { domains }))).toBe(expected);
  });

  test("a question for HTTPS is no exception", () => {
    const message = queryOf("hubot");
    message.writeUInt16BE(65, message.length - 4);
    expect(said(answer(message, contextOf(zone)))).toBe("NXDOMAIN");
  });

  test("a stack's names may be asked outside once nothing is of that stack", () => {
    const changing = zoneOf({ "10.42.0.2": { name: "mongo", stack: "One" } }, { "two/web": {} });
    const asked = () => ["mongo.one", "web.two"].map((name) => said(ask(changing, name)));
    expect(asked()).toEqual(["NXDOMAIN", "NXDOMAIN"]);
    changing.own(indexOf(ip("10.42.0.2")), null);
    changing.declare("two", "web", null);
    expect(asked()).toEqual(["forward", "forward"]);
  });

  test("is refused in a closed network, and an alias to it stands alone", () => {
    const closed = zoneOf(owners, services, { upstreams: "none" });
    expect(said(ask(closed, "example.com"))).toBe("REFUSED");
    expect(said(ask(closed, "bucket.rocket-chat.rancher.internal"))).toBe("NOERROR CNAME s3.example.com");
    expect(decoded(ask(closed, "mongo.rancher.internal")).flag_ra).toBe(false);
  });

  test.each(["mongo.green.example", "hubot", "b.a", "9.0.42.10.in-addr.arpa", "1.1.254.169.in-addr.arpa"])(
    "%s is not asked for by way of an alias either",
    (cname) => {
      const sly = zoneOf({}, { "a/b": { cname } });
      expect(said(ask(sly, "b.a.rancher.internal", "A", { domains }))).toBe(`NOERROR CNAME ${cname}`);
    },
  );
});

test("unhealthy members are answered when none is healthy and the network says so", () => {
  const anyway = zoneOf(owners, services, { whenUnhealthy: "all" });
  expect(said(ask(anyway, "ill.backup.rancher.internal"))).toBe("NOERROR 10.42.0.8");
  expect(said(ask(anyway, "web.rocket-chat.rancher.internal"))).toBe("NOERROR 10.42.0.3 10.42.0.4");
});

describe("a service that stands for others", () => {
  const addressOf = (n: number) => `192.0.2.${n + 1}`;
  const membersOf = (services: Record<string, object>, name: string) =>
    said(ask(zoneOf({}, services), `${name}.s.rancher.internal`, "A", { transport: "tcp" }));

  test("has the members of all, as many as its record can name", () => {
    const others = Array.from({ length: 64 }, (_, n) => [`s/a${n}`, { addresses: [addressOf(n)] }] as const);
    const all = { "s/all": { aliases: others.map(([name]) => name) }, ...Object.fromEntries(others) };
    expect(membersOf(all, "all")).toBe(`NOERROR ${others.map((_, n) => addressOf(n)).join(" ")}`);
  });

  test("has those of eight in a chain, however else they are reached", () => {
    const chain = Array.from({ length: 12 }, (_, n) => [
      `s/c${n}`,
      // Each but the last leads to the next, and the first to the sixth as well.
      { aliases: n === 0 ? ["c1", "c5"] : n < 11 ? [`c${n + 1}`] : [], addresses: [addressOf(n)] },
    ]);
    const services = Object.fromEntries(chain);
    expect(membersOf(services, "c4").split(" ")).toHaveLength(1 + 8);
    expect(new Set(membersOf(services, "c0").split(" ").slice(1))).toEqual(
      new Set(Array.from({ length: 12 }, (_, n) => addressOf(n))),
    );
  });
});

test("who comes first is up to chance", () => {
  const random = () => 0.99;
  expect(said(ask(zone, "web.rocket-chat.rancher.internal", "A", { random }))).toBe("NOERROR 10.42.0.4 10.42.0.3");
});

test("an answer follows every change, and nothing is left of what went", () => {
  const changing = zoneOf({});
  const web = (unhealthy: boolean) => ({
    name: "web",
    stack: "s",
    service: "web",
    ...(unhealthy && ({ unhealthy } as const)),
  });
  const first = indexOf(ip("10.42.0.2"));
  const serial = () => {
    const [start] = decoded(ask(changing, "rancher.internal", "SOA")).answers;
    return (start as { data: { serial: number } }).data.serial;
  };
  const before = serial();
  changing.own(first, web(false));
  expect(said(ask(changing, "web.s.rancher.internal"))).toBe("NOERROR 10.42.0.2");
  changing.own(first, web(true));
  expect(said(ask(changing, "web.s.rancher.internal"))).toBe(`NOERROR ${soa}`);
  changing.own(first, { name: "other" });
  expect(said(ask(changing, "web.s.rancher.internal"))).toBe(`NXDOMAIN ${soa}`);
  expect(said(ask(changing, "s.rancher.internal"))).toBe(`NXDOMAIN ${soa}`);
  expect(said(ask(changing, "other.rancher.internal"))).toBe("NOERROR 10.42.0.2");
  changing.own(first, null);
  expect(said(ask(changing, "other.rancher.internal"))).toBe(`NXDOMAIN ${soa}`);
  expect(serial()).toBeGreaterThan(before);
});

describe("the message", () => {
  test("keeps the case of the question, its number and RD, and says who answers", () => {
    const message = answer(queryOf("MonGo.RANCHER.internal", "A", { id: 4711 }), contextOf(zone));
    expect(decoded(message)).toMatchObject({
      id: 4711,
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      questions: [{ name: "MonGo.RANCHER.internal" }],
      answers: [{ name: "MonGo.RANCHER.internal", ttl: 1 }, { name: "MonGo.RANCHER.internal" }],
    });
  });

  test("bounds how long an absence is kept by the same TTL", () => {
    const { authorities } = decoded(ask(zone, "nothing.rancher.internal"));
    expect(authorities).toMatchObject([{ ttl: 1, data: { minimum: 1, mname: "_dns.rancher.internal" } }]);
  });

  test("gives SRV's targets with their addresses", () => {
    const { additionals } = decoded(ask(zone, "_http._tcp.web.rocket-chat.rancher.internal", "SRV"));
    expect(additionals.map(({ data }) => data)).toEqual(["10.42.0.3", "10.42.0.4"]);
  });

  const crowd = zoneOf(
    Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`10.42.1.${n}`, { name: `c${n}`, stack: "s", service: "all" }]),
    ),
  );
  const edns = (udpPayloadSize: number) => ({
    additionals: [{ type: "OPT", name: ".", udpPayloadSize, flags: 0, options: [] }],
  });
  test.each([
    ["512 octets without EDNS", {}, 512],
    ["what EDNS says", edns(900), 900],
    ["1,232 octets at most", edns(4096), 1232],
    ["512 octets at least", edns(17), 512],
  ])("fits in %s, as many records as do, with TC", (_, more, limit) => {
    const verdict = answer(queryOf("all.s.rancher.internal", "A", more), contextOf(crowd));
    const { flag_tc, answers } = decoded(verdict);
    expect(flag_tc).toBe(true);
    const size = verdict.type === "reply" ? verdict.message.length : 0;
    expect(size).toBeLessThanOrEqual(limit);
    expect(size).toBeGreaterThan(limit - 16);
    expect(new Set(answers.map(({ data }) => data)).size).toBe(answers.length);
  });

  test("is whole over TCP", () => {
    const { flag_tc, answers } = decoded(ask(crowd, "all.s.rancher.internal", "A", { transport: "tcp" }));
    expect({ flag_tc, count: new Set(answers.map(({ data }) => data)).size }).toEqual({ flag_tc: false, count: 200 });
  });

  test("has EDNS where the question has", () => {
    expect(
      decoded(answer(queryOf("mongo.rancher.internal", "A", edns(1232)), contextOf(zone))).additionals,
    ).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
    expect(decoded(ask(zone, "mongo.rancher.internal")).additionals).toEqual([]);
  });
});

describe("what is no proper question", () => {
  const good = queryOf("mongo.rancher.internal");
  const patched = (offset: number, ...octets: number[]) => {
    const message = Buffer.from(good);
    message.set(octets, offset);
    return message;
  };
  const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
  const withOpts = (count: number, version = 0) => {
    const message = Buffer.concat([good, ...Array.from({ length: count }, () => Buffer.from(opt))]);
    message.writeUInt16BE(count, 10);
    message[good.length + 6] = version;
    return message;
  };
  test.each([
    ["nothing", Buffer.alloc(0), "silence"],
    ["half a header", good.subarray(0, 11), "silence"],
    ["an answer", patched(2, 0x81), "silence"],
    ["no question", patched(4, 0, 0), "FORMERR"],
    ["two questions", patched(4, 0, 2), "FORMERR"],
    ["a question cut short", good.subarray(0, good.length - 1), "FORMERR"],
    ["a name that points", patched(12, 0xc0, 12), "FORMERR"],
    ["a label of 64", patched(12, 64), "FORMERR"],
    ["records that are not there", patched(10, 0, 1), "FORMERR"],
    ["EDNS twice", withOpts(2), "FORMERR"],
    ["a status request", patched(2, 0x10), "NOTIMP"],
    ["an update", patched(2, 0x28), "NOTIMP"],
    ["class CHAOS", patched(good.length - 2, 0, 3), "REFUSED"],
    ["class ANY", patched(good.length - 2, 0, 255), "REFUSED"],
  ])("%s: %s", (_, message, expected) => {
    expect(said(answer(message, contextOf(zone)))).toBe(expected);
  });

  test("a later version of EDNS is told ours", () => {
    const verdict = answer(withOpts(1, 1), contextOf(zone));
    expect(decoded(verdict).additionals).toMatchObject([{ type: "OPT", extendedRcode: 1, ednsVersion: 0 }]);
  });

  test("a dot inside a label is not a dot between labels", () => {
    const label = Buffer.from("\x05mongo\x10rancher.internal\0", "latin1");
    const message = Buffer.concat([good.subarray(0, 12), label, Buffer.from([0, 1, 0, 1])]);
    expect(answer(message, contextOf(zone)).type).toBe("forward");
  });

  test("the error to what cannot be read is a header alone", () => {
    expect(packet.decode((answer(patched(4, 0, 2), contextOf(zone)) as { message: Buffer }).message)).toMatchObject({
      id: 7,
      questions: [],
      answers: [],
    });
  });
});
