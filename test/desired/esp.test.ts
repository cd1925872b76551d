import { expect, test } from "vitest";
import { type Cipher, ciphers, espRoom } from "../../src/desired/backends/esp.ts";

type Case = [cipher: Cipher, encap: boolean, mtu: number, room: number];

// RFC 4303: outer IPv4 20, UDP 8 if any, ESP header 8, IV, (payload, padding, 2 for pad length and next header), ICV.
const cases: Case[] = [
  ["aes128gcm16", false, 1500, 1446], // 20 + 8 + 8 + (1446 + 0 + 2) + 16 = 1500
  ["aes128gcm16", true, 1500, 1438], // 20 + 8 + 8 + 8 + (1438 + 0 + 2) + 16 = 1500
  ["aes128gcm16", false, 1450, 1394], // 20 + 8 + 8 + (1394 + 0 + 2) + 16 = 1448, and with the next 4 octets 1452
  ["aes128gcm16", true, 1450, 1386], // 20 + 8 + 8 + 8 + (1386 + 0 + 2) + 16 = 1448, and with the next 4 octets 1452
  ["aes256gcm16", false, 1500, 1446], // as with 128: the key is not in the packet
  ["aes256gcm16", true, 1500, 1438],
  ["aes256gcm16", true, 9001, 8938], // 20 + 8 + 8 + 8 + (8938 + 0 + 2) + 16 = 9000, and with the next 4 octets 9004
  ["chacha20poly1305", false, 1500, 1446], // 20 + 8 + 8 + (1446 + 0 + 2) + 16 = 1500
  ["chacha20poly1305", true, 1500, 1438], // 20 + 8 + 8 + 8 + (1438 + 0 + 2) + 16 = 1500
  ["aes128-sha256", false, 1500, 1438], // 20 + 8 + 16 + (1438 + 0 + 2) + 16 = 1500: 90 blocks
  ["aes128-sha256", true, 1500, 1422], // 20 + 8 + 8 + 16 + (1422 + 0 + 2) + 16 = 1492: 89 blocks, and with 90 1508
  ["aes128-sha256", false, 1450, 1374], // 20 + 8 + 16 + (1374 + 0 + 2) + 16 = 1436: 86 blocks, and with 87 1452
  ["aes128-sha256", true, 1450, 1374], // 20 + 8 + 8 + 16 + (1374 + 0 + 2) + 16 = 1444: 86 blocks, and with 87 1460
];

test.each(cases)("by %s, in UDP: %s, an MTU of %i leaves room for %i octets", (cipher, encap, mtu, room) => {
  expect(espRoom(mtu, { ciphers: [cipher], encap })).toBe(room);
});

test("every cipher has been reckoned with, in UDP and without", () => {
  const reckoned = new Set(cases.map(([cipher, encap]) => `${cipher} ${encap}`));
  expect(reckoned).toEqual(new Set(Object.keys(ciphers).flatMap((cipher) => [`${cipher} true`, `${cipher} false`])));
});

test("the best cipher counts, and where none is known the one that every kernel has", () => {
  expect(espRoom(1500, { ciphers: ["aes256gcm16", "aes128-sha256"], encap: true })).toBe(1438);
  expect(espRoom(1500, { ciphers: ["aes128-sha256", "aes256gcm16"], encap: true })).toBe(1422);
  expect(espRoom(1500, { ciphers: [], encap: true })).toBe(1422);
});
