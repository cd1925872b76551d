import { describe, expect, it } from "vitest";
import { rulesOfIptables, rulesOfNft } from "../../src/doctor/facts/forwarding.ts";
import { boundPorts, listenerOf } from "../../src/doctor/facts/ports.ts";
import { neighbourTable, permanentIn } from "../../src/doctor/facts/tables.ts";

describe("tables of /proc", () => {
  it("name bound ports with their inodes", () => {
    const table = [
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
      "  212: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81213 2 0000000000000000 0",
      " 2401: 0100007F:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81299 2 0000000000000000 0",
      "",
    ].join("\n");
    expect(boundPorts(table)).toEqual([
      { port: 500, inode: "81213" },
      { port: 4789, inode: "81299" },
    ]);
    expect(boundPorts("")).toEqual([]);
  });

  it("name who listens at a path, and nobody who is connected to it", () => {
    const table = [
      "Num       RefCount Protocol Flags    Type St Inode Path",
      "0000000000000000: 00000003 00000000 00000000 0001 03 4711 /run/skein/charon.vici",
      "0000000000000000: 00000002 00000000 00010000 0001 01 4712 /run/skein/charon.vici",
      "0000000000000000: 00000002 00000000 00010000 0001 01 4713 /run/skein/agent.sock",
    ].join("\n");
    expect(listenerOf("/run/skein/charon.vici", table)).toBe("4712");
    expect(listenerOf("/run/charon.vici", table)).toBeUndefined();
  });

  it("count neighbours once for all processors, and refusals of each", () => {
    const table = [
      "entries  allocs   destroys hash_grows lookups  hits     res_failed table_fulls",
      "00000012 00002279 000021fd 00000002   000024b4 00000062 00000000   00000001",
      "00000012 00002671 000026ea 00000008   00002910 00000071 00000002   00000002",
    ].join("\n");
    expect(neighbourTable(table)).toEqual({ entries: 18, refused: 3 });
    expect(neighbourTable("")).toEqual({ entries: 0, refused: 0 });
  });

  it("tell permanent neighbours from others", () => {
    const table = [
      "IP address       HW type     Flags       HW address            Mask     Device",
      "10.42.118.1      0x1         0x6         06:00:00:00:00:07     *        vx0",
      "192.0.2.254      0x1         0x2         02:53:00:00:00:01     *        eth0",
      "",
    ].join("\n");
    expect(permanentIn(table)).toBe(1);
  });
});

describe("rules of firewalls", () => {
  const chain = (table: string, name: string, policy: string, family = "ip") => ({
    chain: { family, table, name, handle: 1, type: "filter", hook: "forward", prio: 0, policy },
  });
  const listing = (...objects: object[]) => JSON.stringify({ nftables: [{ metainfo: {} }, ...objects] });

  it("of nft name chains that drop by default, but for ours and those of bridges", () => {
    const json = listing(
      chain("filter", "FORWARD", "drop"),
      chain("firewall", "forward", "accept", "inet"),
      chain("skein", "forward-blue", "drop", "inet"),
      chain("filter", "FORWARD", "drop", "bridge"),
      { chain: { family: "ip", table: "filter", name: "DOCKER-USER", handle: 9 } },
    );
    expect(rulesOfNft(json)).toEqual({ dropping: ["ip filter FORWARD"], accepts: false, dockerUser: true });
    expect(rulesOfNft("")).toEqual({ dropping: [], accepts: false, dockerUser: false });
  });

  it("of nft accept our ways out where they name them, not where we do", () => {
    const rule = (table: string) => ({
      rule: {
        ...{ family: "ip", table, chain: "DOCKER-USER", handle: 12 },
        expr: [{ match: { op: "==", left: { meta: { key: "iifname" } }, right: "sku-*" } }, { accept: null }],
      },
    });
    expect(rulesOfNft(listing(rule("skein"))).accepts).toBe(false);
    expect(rulesOfNft(listing(rule("filter"))).accepts).toBe(true);
  });

  it("of iptables say the same", () => {
    const text = "-P INPUT ACCEPT\n-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n";
    expect(rulesOfIptables(text)).toEqual({ dropping: ["ip filter FORWARD"], accepts: false, dockerUser: true });
    expect(rulesOfIptables(`${text}-A DOCKER-USER -i sku-+ -j ACCEPT\n`).accepts).toBe(true);
  });
});
