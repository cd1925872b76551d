import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { probeIpsec } from "../../src/kernel/capabilities.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { enterOwnNamespace } from "./own-namespace.ts";
import { run } from "./witness.ts";

let leave: () => void;
let kernel: Kernel;
beforeAll(async () => {
  leave = enterOwnNamespace();
  kernel = await openKernel();
});
afterAll(async () => {
  await kernel?.close();
  leave?.();
});

/** Whether ip gets it done, in a namespace of its own. */
function ipCan(command: string): boolean {
  return spawnSync("unshare", ["--net", "ip", ...command.split(" ")]).status === 0;
}

function canHave(algorithms: string): boolean {
  return ipCan(`xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 1 mode tunnel ${algorithms}`);
}

const zeros = (bytes: number) => `0x${"00".repeat(bytes)}`;

test("what ip cannot do is named as missing, in an operator's words, and nothing else", async () => {
  const ciphers = [
    ["aes128gcm16", canHave(`aead rfc4106(gcm(aes)) ${zeros(20)} 128`)],
    ["aes256gcm16", canHave(`aead rfc4106(gcm(aes)) ${zeros(36)} 128`)],
    ["chacha20poly1305", canHave(`aead rfc7539esp(chacha20,poly1305) ${zeros(36)} 128`)],
    ["aes128-sha256", canHave(`enc cbc(aes) ${zeros(16)} auth-trunc hmac(sha256) ${zeros(32)} 128`)],
  ].flatMap(([cipher, isThere]) => (isThere ? [cipher] : []));
  const missing = [
    ...(ciphers.length === 0 ? ["ESP (CONFIG_INET_ESP, module esp4)"] : []),
    ...(ipCan("link add probe type xfrm if_id 1")
      ? []
      : ["XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface)"]),
  ];
  expect(await probeIpsec(kernel)).toEqual({ missing, ciphers });
});

test("to find out leaves nothing behind", async () => {
  await probeIpsec(kernel);
  expect(run("ip", "xfrm", "state")).toBe("");
  expect(run("ip", "xfrm", "policy")).toBe("");
  expect(run("nft", "list", "ruleset")).toBe("");
  expect(run("ip", "-o", "link").trim().split("\n")).toHaveLength(1);
});
