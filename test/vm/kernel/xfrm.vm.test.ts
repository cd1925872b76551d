import { filter, firstValueFrom } from "rxjs";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Cipher, ciphers, espRoom } from "../../../src/desired/backends/esp.ts";
import type { Policy, Row } from "../../../src/desired/rows.ts";
import { probeIpsec } from "../../../src/kernel/capabilities.ts";
import { choiceByAge, lostAssociations } from "../../../src/kernel/security-associations.ts";
import type { Cidr } from "../../../src/model/address.ts";
import type { Failure, Notice } from "../../../src/reconcile/kind.ts";
import { addAll, apply, removeAll, row } from "../../kernel/driven.ts";
import { isAbsent, isPresent, nextNotice, witness } from "../../kernel/witness.ts";
import {
  awaitAcquires,
  batch,
  type Host,
  ifId,
  inner,
  ip,
  join,
  openHosts,
  passed,
  policy,
  reaches,
  refusals,
  secure,
  sentBy,
  sh,
  spiOf,
  through,
  transport,
  underlay,
  xf0,
} from "./hosts.ts";

let hosts: Host[];
let close: () => Promise<void>;
let h1: Host;
let h2: Host;
let h3: Host;
beforeAll(async () => {
  ({ hosts, close } = await openHosts(3));
  [h1, h2, h3] = hosts as [Host, Host, Host];
  for (const host of hosts) await join(host, hosts);
});
afterEach(() => {
  for (const host of hosts) batch(host, "xfrm state flush", "xfrm policy flush");
  passed();
});
afterAll(() => close?.());

test("nothing of IPsec is missing", async () => {
  expect(await probeIpsec(h1.kernel)).toEqual({
    missing: [],
    ciphers: ["aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256"],
  });
});

describe("an xfrm interface", () => {
  test("is in the network's namespace, as ip tells it, and nowhere else", async () => {
    expect(witness("ip", h1.inside, "link", "show", "xf0")).toMatchObject([
      {
        ifname: "xf0",
        mtu: 1400,
        ifalias: "skein",
        flags: expect.arrayContaining(["UP"]),
        inet6_addr_gen_mode: "none",
        linkinfo: { info_kind: "xfrm", info_data: { if_id: "0x53000001" } },
      },
    ]);
    expect(witness("ip", h1.inside, "-6", "addr", "show", "dev", "xf0").flatMap((link) => link.addr_info)).toEqual([]);
    expect(sh(`ip -n ${h1.outside} -o link`)).not.toContain("xfrm");
    expect(await h1.drivers.link.list("host")).toEqual([]);
    const [found, ...others] = await h1.drivers.link.list(h1.scope);
    expect(others).toEqual([]);
    expect(h1.drivers.link.same?.(xf0(h1).value, found!.value)).toBe(true);
  });

  test("can be added again and removed again", async () => {
    const index = () => witness("ip", h1.inside, "link", "show", "xf0")[0]?.ifindex;
    const before = index();
    await addAll(h1.drivers, [xf0(h1)]);
    expect(index()).toBe(before);
    await removeAll(h1.drivers, [xf0(h1)]);
    await removeAll(h1.drivers, [xf0(h1)]);
    expect(sh(`ip -n ${h1.inside} -o link`)).not.toContain("xf0");
    await addAll(h1.drivers, [xf0(h1)]);
    restoreRoutes(h1);
  });

  test("is told of, and put right, when somebody changes it", async () => {
    for (const change of [
      "ip link set xf0 mtu 1300",
      "ip link set xf0 down",
      // Such a one looks for its SAs in the network's namespace, where there are none.
      `printf 'link del xf0\\nlink add xf0 mtu 1400 up type xfrm if_id ${ifId}\\n' | ip -batch -`,
    ]) {
      const told = nextNotice(h1.drivers, isPresent("link", "xf0"));
      sh(`ip netns exec ${h1.inside} sh -ec "${change}"`);
      const notice = (await told) as Extract<Notice<"link">, { type: "present" }>;
      const [found] = await h1.drivers.link.list(h1.scope);
      expect(h1.drivers.link.same?.(xf0(h1).value, found!.value)).toBe(false);
      const replace = { verb: "replace", row: xf0(h1), was: notice.row.value } as const;
      expect(await h1.drivers.link.apply(h1.scope, [replace])).toEqual([undefined]);
      const [mended] = await h1.drivers.link.list(h1.scope);
      expect(h1.drivers.link.same?.(xf0(h1).value, mended!.value)).toBe(true);
    }
    const gone = nextNotice(h1.drivers, isAbsent("link", "xf0"));
    ip(`-n ${h1.inside} link del xf0`);
    await gone;
    await addAll(h1.drivers, [xf0(h1)]);
    restoreRoutes(h1);
  });

  test("left in the host's namespace is removed: by its alias, or when its number is wanted", async () => {
    await removeAll(h1.drivers, [xf0(h1)]);
    const stray = "skx53000001";
    ip(`-n ${h1.outside} link add ${stray} type xfrm if_id ${ifId}`);
    expect(await apply(h1.drivers, "add", xf0(h1))).toMatchObject({ code: "EEXIST" });
    await addAll(h1.drivers, [xf0(h1)]);
    expect(sh(`ip -n ${h1.outside} -o link`)).not.toContain(stray);

    // Of a link that is down an alias is no news to the kernel: it is found when the host is listed.
    ip(`-n ${h1.outside} link add skx7 type xfrm if_id 7`);
    ip(`-n ${h1.outside} link set skx7 alias skein`);
    const [found] = await h1.drivers.link.list("host");
    expect(found).toMatchObject({ key: "skx7", value: { type: "xfrm", ifId: 0 } });
    expect(await h1.drivers.link.apply("host", [{ verb: "remove", row: found! }])).toEqual([undefined]);
    expect(sh(`ip -n ${h1.outside} -o link`)).not.toContain("skx7");
    restoreRoutes(h1);
  });

  test("of a number that another network's has is refused", async () => {
    const other = row("namespace", "host", "skein-vm9", {});
    await addAll(h1.drivers, [other]);
    onTestFinished(() => void h1.kernel.deleteNamespace("skein-vm9"));
    const link = { ...xf0(h1), scope: "net:vm9" as const };
    expect(await apply(h1.drivers, "add", link)).toMatchObject({ code: "EEXIST" });
    expect(reaches(h1.inside, inner(1))).toBe(true);
    expect(witness("ip", h1.inside, "link", "show", "xf0")).toHaveLength(1);
  });
});

describe("encrypted or not at all", () => {
  test("without policy, and with policy but without SA, nothing leaves", async () => {
    expect(reaches(h1.inside, inner(2))).toBe(false);
    await addAll(h1.drivers, through(h1, h2));
    expect(reaches(h1.inside, inner(2))).toBe(false);
    expect(refusals(h1).XfrmOutNoStates).toBeGreaterThan(0);
    expect(passed()).toEqual({ clear: 0, sealed: 0 });
  });

  test("with SA a policy out and one in are all it takes", async () => {
    secure(h1, h2);
    await addAll(h1.drivers, through(h1, h2));
    const [out, into] = through(h2, h1) as [Row, Row];
    await addAll(h2.drivers, [out]);
    expect(reaches(h1.inside, inner(2))).toBe(false);
    expect(refusals(h2).XfrmInNoPols).toBeGreaterThan(0);
    await addAll(h2.drivers, [into]);
    expect(reaches(h1.inside, inner(2))).toBe(true);
    expect(passed()).toMatchObject({ clear: 0, sealed: 3 });
  });

  test("an SA that comes after its policy was tried is used at once", async () => {
    onTestFinished(awaitAcquires(h1));
    await addAll(h1.drivers, through(h1, h2));
    await addAll(h2.drivers, through(h2, h1));
    expect(reaches(h1.inside, inner(2))).toBe(false);
    expect(ip(`-n ${h1.outside} xfrm state`)).toContain("spi 0x00000000");
    secure(h1, h2);
    expect(reaches(h1.inside, inner(2))).toBe(true);
  });

  test("packets leave by the SA that is preferred, whatever is newer", async () => {
    await addAll(h1.drivers, through(h1, h2));
    await addAll(h2.drivers, through(h2, h1));
    const outgoing = (nth: number) => {
      const ends = { src: underlay(1), dst: underlay(2) };
      return { ...ends, spi: spiOf(h1, h2, nth), bytes: 84 * sentBy(h1, h2, nth), packets: sentBy(h1, h2, nth) };
    };
    const sent = () => [sentBy(h1, h2, 0), sentBy(h1, h2, 1)];
    secure(h1, h2);
    await choiceByAge(h1.kernel, 3600).prefer(outgoing(0));
    secure(h1, h2, { nth: 1 });
    expect(reaches(h1.inside, inner(2))).toBe(true);
    expect(sent()).toEqual([1, 0]);
    await choiceByAge(h1.kernel, 7200).prefer(outgoing(1));
    expect(reaches(h1.inside, inner(2))).toBe(true);
    expect(sent()).toEqual([1, 1]);
    await choiceByAge(h1.kernel, 3600).leave(outgoing(1));
    expect(reaches(h1.inside, inner(2))).toBe(true);
    expect(sentBy(h1, h2, 0)).toBe(2);
    // Of one that is gone nothing is asked.
    await choiceByAge(h1.kernel, 3600).prefer({ src: underlay(1), dst: underlay(2), spi: 7777, bytes: 0, packets: 0 });
  });

  test.each([
    ...(Object.keys(ciphers) as Cipher[]).map((cipher) => [cipher, false] as const),
    ["aes128gcm16", true] as const,
  ])(
    "of %s, encapsulated %s, what is too large is told the room that we reckon with, and that fits",
    async (cipher, encap) => {
      const room = espRoom(1500, { ciphers: [cipher], encap });
      secure(h1, h2, { cipher, encap });
      await addAll(h1.drivers, through(h1, h2));
      await addAll(h2.drivers, through(h2, h1));
      ip(`-n ${h1.inside} link set xf0 mtu 1500`);
      onTestFinished(() => {
        ip(`-n ${h1.inside} link set xf0 mtu 1400`);
        ip(`-n ${h1.inside} route flush cache`);
      });
      // 20 of IP and 8 of ICMP.
      const send = (size: number) => reaches(h1.inside, inner(2), `-M do -W ${encap ? 0.2 : 2} -s ${size - 28}`);
      expect(send(room + 1)).toBe(false);
      expect(ip(`-n ${h1.inside} route get ${inner(2)}`)).toContain(`mtu ${room}`);
      expect(passed().sealed).toBe(0);
      // Nobody answers what nobody unpacks, but it was sent.
      expect(send(room)).toBe(!encap);
      expect(passed().sealed).toBeGreaterThan(0);
    },
  );

  test("VXLAN between hosts is ESP where policies say so, and nothing without SA", async () => {
    for (const [host, peer] of [
      [h1, h2],
      [h2, h1],
    ] as const) {
      await addAll(host.drivers, transport(host, peer));
      const place = `local ${underlay(host.n)} remote ${underlay(peer.n)} dstport 4789 srcport 4789 4790`;
      ip(`-n ${host.outside} link add vx9 up type vxlan id 9 ${place}`);
      ip(`-n ${host.outside} addr add 10.50.0.${host.n}/24 dev vx9`);
      onTestFinished(() => void ip(`-n ${host.outside} link del vx9`));
    }
    expect(reaches(h1.outside, "10.50.0.2")).toBe(false);
    expect(passed()).toEqual({ clear: 0, sealed: 0 });
    secure(h1, h2, { mode: "transport" });
    // Nobody is still waited for who was asked for before.
    ip(`-n ${h1.outside} neigh flush dev vx9`);
    expect(reaches(h1.outside, "10.50.0.2")).toBe(true);
    const { clear, sealed } = passed();
    expect(clear).toBe(0);
    expect(sealed).toBeGreaterThanOrEqual(2);
    // A device keeps the SA that it has found, until another is preferred: none is lost when that one goes.
    const ends = { src: underlay(1), dst: underlay(2), bytes: 0, packets: 0 };
    const sent = () => [0, 1].map((nth) => sentBy(h1, h2, nth, "transport"));
    await choiceByAge(h1.kernel, 3600).prefer({ ...ends, spi: spiOf(h1, h2, 0, "transport") });
    secure(h1, h2, { mode: "transport", nth: 1 });
    expect(reaches(h1.outside, "10.50.0.2")).toBe(true);
    expect(sent()[1]).toBe(0);
    await choiceByAge(h1.kernel, 7200).prefer({ ...ends, spi: spiOf(h1, h2, 1, "transport") });
    const [before] = sent();
    expect(reaches(h1.outside, "10.50.0.2")).toBe(true);
    const [after, newer] = sent();
    expect(after).toBe(before);
    expect(newer).toBeGreaterThan(0);
    expect(ip(`-n ${h1.outside} xfrm policy`)).not.toContain("192.0.2.");
    ip(`-n ${h1.outside} xfrm policy flush`);
    expect(reaches(h1.outside, "10.50.0.2")).toBe(false);
    expect(refusals(h2).XfrmInTmplMismatch).toBeGreaterThan(0);
  });
});

describe("a host speaks for its own prefixes only", () => {
  beforeAll(() => {
    // What h1 sends as if it were another's.
    for (const stolen of ["10.42.3.7", "10.42.3.9", "192.0.2.7"]) ip(`-n ${h1.inside} addr add ${stolen}/32 dev lo`);
  });

  test("what comes from another's prefix, or from nobody's, is dropped", async () => {
    secure(h1, h2);
    await addAll(h1.drivers, through(h1, h2));
    await addAll(h2.drivers, [...through(h2, h1), ...through(h2, h3)]);
    const before = refusals(h2);
    const seen = () => sh(`ip netns exec ${h2.inside} cat /proc/net/snmp | grep ^Icmp:`).split("\n")[1]?.split(" ")[1];
    const arrived = seen();
    expect(reaches(h1.inside, inner(2), "-I 10.42.3.7")).toBe(false);
    expect(reaches(h1.inside, inner(2), "-I 192.0.2.7")).toBe(false);
    expect(seen()).toBe(arrived);
    expect(refusals(h2).XfrmInTmplMismatch).toBe((before.XfrmInTmplMismatch ?? 0) + 1);
    expect(refusals(h2).XfrmInNoPols).toBe((before.XfrmInNoPols ?? 0) + 1);
    expect(reaches(h1.inside, inner(2))).toBe(true);
  });

  test("an address that moved is of the host that has it now, though its block is another's", async () => {
    const moved = "10.42.3.9/32" as Cidr;
    secure(h1, h2);
    secure(h2, h3);
    await addAll(h1.drivers, through(h1, h2));
    await addAll(h3.drivers, through(h3, h2));
    await addAll(h2.drivers, [...through(h2, h1), ...through(h2, h3), ...through(h2, h1, moved)]);
    expect(reaches(h1.inside, inner(2), "-I 10.42.3.9")).toBe(true);
    expect(reaches(h3.inside, inner(2))).toBe(true);
    ip(`-n ${h3.inside} addr add 10.42.3.9/32 dev lo`);
    onTestFinished(() => void ip(`-n ${h3.inside} addr del 10.42.3.9/32 dev lo`));
    expect(reaches(h3.inside, inner(2), "-I 10.42.3.9")).toBe(false);
  });

  test("what an SA of another reqid decrypted is dropped", async () => {
    secure(h1, h2);
    await addAll(h1.drivers, through(h1, h2));
    const [out, into] = through(h2, h1) as [Row, Row];
    await addAll(h2.drivers, [out, into]);
    expect(reaches(h1.inside, inner(2))).toBe(true);
    await addAll(h2.drivers, [policy({ ...(into.value as Policy), reqid: 77 })]);
    expect(reaches(h1.inside, inner(2))).toBe(false);
  });
});

test("an SA's end is told by its name, without its keys", async () => {
  await h1.drivers.policy.list("host");
  const heard: Uint8Array[] = [];
  const subscription = h1.kernel.events$.subscribe((event) => {
    if (event.type === "messages" && event.protocol === "xfrm") heard.push(event.bytes);
  });
  secure(h1, h2);
  const deleted = firstValueFrom(lostAssociations(h1.kernel));
  ip(`-n ${h1.outside} xfrm state delete src ${underlay(1)} dst ${underlay(2)} proto esp spi 0x1012`);
  expect(await deleted).toEqual({ type: "deleted", spi: 0x1012, dst: underlay(2) });
  const flushed = firstValueFrom(lostAssociations(h1.kernel));
  ip(`-n ${h1.outside} xfrm state flush`);
  expect(await flushed).toEqual({ type: "flushed" });
  subscription.unsubscribe();
  const all = Buffer.concat(heard);
  expect(all.length).toBeGreaterThan(0);
  expect(all.includes(Buffer.from("0123456789012345", "hex"))).toBe(false);
});

test("a namespace that somebody deletes takes its interface along, and both can be made anew", async () => {
  const gone = firstValueFrom(h3.drivers.namespace.notices$.pipe(filter(isAbsent("namespace", h3.inside))));
  ip(`netns del ${h3.inside}`);
  await gone;
  await addAll(h3.drivers, [row("namespace", "host", h3.inside, {})]);
  // The kernel takes namespaces down a moment later, and with it the interface that has the number.
  let failure: Failure | undefined;
  do failure = await apply(h3.drivers, "add", xf0(h3));
  while (failure?.code === "EEXIST");
  expect(failure).toBeUndefined();
});

/** What goes with the interface. */
function restoreRoutes(host: Host): void {
  for (const { n } of hosts)
    if (n !== host.n) ip(`-n ${host.inside} route replace 10.42.${n}.0/24 dev xf0 src ${inner(host.n)}`);
}
