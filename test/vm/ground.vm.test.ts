import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ping } from "../../src/lab/demo/ping.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { lackingHere } from "./lacking.ts";

/** What all others here stand on: the kernel, and charon on a lab's hosts. */
let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ hosts: 2 });
  for (const charon of await Promise.all(lab.hosts.map((host) => host.charon()))) await charon.start();
});
afterAll(() => lab?.close());

test("the kernel has all that encrypted networks need, with every cipher", async () => {
  expect(await lackingHere()).toEqual({
    missing: [],
    ciphers: ["aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256"],
  });
});

test("an SA made by hand carries a ping between two charons, and the wire sees nothing but ESP", async () => {
  const directory = lab.directory;
  const swanctl = async (name: string, ...args: string[]) => {
    const settings = join(directory, "swanctl-settings");
    await writeFile(settings, "swanctl {\n  load = random openssl\n}\n"); // not all plugins, which takes 4 s
    const uri = ["--uri", "unix:///run/skein/charon.vici"];
    return lab.host(name).output("swanctl", [...args, ...uri], { env: { STRONGSWAN_CONF: settings } });
  };
  const pair = [
    ["h1", "h2"],
    ["h2", "h1"],
  ] as const;
  for (const [here, there] of pair) {
    const file = join(directory, `${here}.swanctl`);
    await writeFile(file, connection(lab.host(here).underlay.address(), lab.host(there).underlay.address()));
    await swanctl(here, "--load-all", "--file", file);
  }

  const wire = await lab.capture("h1", "icmp or esp");
  expect(await swanctl("h1", "--initiate", "--child", "hosts")).toContain("initiate completed successfully");
  const answer = await ping(lab.host("h1"), lab.host("h2").underlay.address(), 3);
  expect(answer).toMatchObject({ sent: 3, received: 3 });
  await wire.until(/10\.99\.0\.2 > 10\.99\.0\.1: ESP\(.*seq=0x3\)/);
  const seen = await wire.stop();
  expect(seen).toHaveLength(6);
  expect(seen.filter((line) => !line.includes(": ESP("))).toEqual([]);
  expect(await lab.host("h2").output("ip", ["xfrm", "state"])).toContain("aead rfc4106(gcm(aes))");
});

function connection(here: string, there: string): string {
  return `connections {
  hand {
    version = 2
    local_addrs = ${here}
    remote_addrs = ${there}
    proposals = aes128gcm16-prfsha256-x25519
    local {
      auth = psk
    }
    remote {
      auth = psk
    }
    children {
      hosts {
        mode = transport
        local_ts = dynamic[icmp]
        remote_ts = dynamic[icmp]
        esp_proposals = aes128gcm16
      }
    }
  }
}
secrets {
  ike-hand {
    secret = "made by hand"
  }
}
`;
}
