import { amiss, type Check, lacking, unknown, well } from "../check.ts";
import type { CharonFound } from "../found.ts";

const area = "charon";
/** label_mode = simple, without which a peer cannot tell networks of equal ranges apart. */
const oldest = [5, 9, 6] as const;

/** Without these no SA comes about. Ciphers and key exchange may be any plugin's; openssl has all of them. */
const neededPlugins = ["kernel-netlink", "socket-default", "vici", "nonce", "pubkey", "pkcs1", "hmac", "kdf"] as const;

const install = "apt-get install charon-systemd strongswan-swanctl libstrongswan-standard-plugins";

export function judgeCharon(found: CharonFound, isEncrypted: boolean | undefined): Check[] {
  const verdict = lacking(isEncrypted);
  const { binary, installed, vici, socket } = found;
  const running = { area, name: "running", expected: `an answer at ${socket}` } as const;
  if (!vici.answers) {
    const is = { area, name: "installed", expected: "charon-systemd of strongSwan" } as const;
    if (binary === undefined) return [amiss(verdict, { ...is, found: "none: no encrypted networks" }, install)];
    const idle = isEncrypted === false;
    return [
      well({ ...is, found: binary }),
      judgeVersion(installed, verdict),
      idle
        ? well({ ...running, found: "none, and no encrypted network that needs one" })
        : amiss(
            verdict,
            { ...running, found: vici.why },
            "systemctl enable --now skein-charon; what it said: journalctl -u skein-charon",
          ),
    ];
  }
  return [
    well({ ...running, found: vici.version }),
    judgeVersion(/\d[\d.]*/.exec(vici.version)?.[0], verdict),
    judgePlugins(vici.plugins, verdict),
  ];
}

function judgeVersion(version: string | undefined, verdict: "warning" | "wrong"): Check {
  const said = { area, name: "version", expected: `strongSwan ${oldest.join(".")} or newer` } as const;
  if (version === undefined)
    return unknown(
      { ...said, found: "charon that does not run, and no swanctl to ask" },
      "systemctl start skein-charon, or apt-get install strongswan-swanctl",
    );
  const found = { ...said, found: version };
  return isAtLeast(version, oldest) ? well(found) : amiss(verdict, found, `upgrade strongSwan, as in ${install}`);
}

function judgePlugins(loaded: readonly string[], verdict: "warning" | "wrong"): Check {
  const missing = neededPlugins.filter((plugin) => !loaded.includes(plugin));
  const said = { area, name: "plugins", expected: neededPlugins.join(" ") } as const;
  if (missing.length === 0) return well({ ...said, found: `all of ${loaded.length} loaded` });
  const remedy = `have charon load them, as deploy/strongswan.conf does; missing packages: ${install}`;
  return amiss(verdict, { ...said, found: `none of ${missing.join(", ")}` }, remedy);
}

export function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const at = least.findIndex((number, index) => (parts[index] ?? 0) !== number);
  return at < 0 || (parts[at] ?? 0) > (least[at] as number);
}
