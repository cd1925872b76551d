import { type Command, Option } from "commander";
import type { Config, Settings } from "../config.ts";
import { list, seconds } from "./arguments.ts";
import { CliError, exit } from "./exit.ts";

export function addAgent(program: Command): void {
  const flag = (flags: string, description: string, variable: string) =>
    new Option(flags, description).env(`SKEIN_${variable}`);
  program
    .command("agent")
    .summary("make this host's kernel hold what is declared, and keep it so")
    .description(
      "Runs until SIGTERM or SIGINT. What it did stays then: containers keep their network, and the next start adopts it.\n" +
        "Flags win over the environment, that over the file, that over the defaults.",
    )
    .addOption(flag("--host <name>", "this host's name (default: the system's)", "HOST"))
    .addOption(flag("--etcd <url,...>", "where etcd is (default: run one, for one machine)", "ETCD").argParser(list))
    .addOption(flag("--etcd-ca <file>", "authorities of its certificate (default: the system's)", "ETCD_CA"))
    .addOption(flag("--etcd-cert <file>", "certificate to show to it, with --etcd-key", "ETCD_CERT"))
    .addOption(flag("--etcd-key <file>", "key of that certificate", "ETCD_KEY"))
    .addOption(flag("--etcd-user <name>", "user to be to it, with --etcd-password-file", "ETCD_USER"))
    .addOption(flag("--etcd-password-file <file>", "file with that user's password", "ETCD_PASSWORD_FILE"))
    .addOption(flag("--prefix <path>", "where keys begin (default: /skein/v1)", "PREFIX"))
    .addOption(
      flag(
        "--underlay <device|address>",
        "what carries traffic between hosts (default: the default route's)",
        "UNDERLAY",
      ),
    )
    .addOption(flag("--external <address>", "where peers reach this host, behind its NAT", "EXTERNAL"))
    .addOption(flag("--vici <socket>", "where charon takes commands (default: /run/skein/charon.vici)", "VICI"))
    .addOption(flag("--psk-file <file>", "a secret of all hosts, in place of keys of their own", "PSK_FILE"))
    .addOption(
      flag("--no-encapsulation", "ESP as it is, without UDP around it; on all hosts alike", "NO_ENCAPSULATION"),
    )
    .addOption(flag("--state <directory>", "what outlives restarts (default: /var/lib/skein)", "STATE"))
    .addOption(flag("--uplinks <cidr>", "addresses for ways out (default: 169.254.64.0/18)", "UPLINKS"))
    .addOption(
      flag(
        "--netns-directories <path,...>",
        "where containers' namespaces lie (default: /run/netns)",
        "NETNS_DIRECTORIES",
      ).argParser(list),
    )
    .addOption(flag("--resolv-conf <file>", "the host's name servers (default: /etc/resolv.conf)", "RESOLV_CONF"))
    .addOption(
      flag("--linger <duration>", "stay in a network after its last container (default: 60s)", "LINGER").argParser(
        seconds,
      ),
    )
    .addOption(
      flag("--sweep <duration>", "time between looks for addresses nobody has (default: 30s)", "SWEEP").argParser(
        seconds,
      ),
    )
    .addOption(
      flag(
        "--forget-hosts <duration>",
        "remove a host whose agent is away for so long (default: never)",
        "FORGET_HOSTS",
      ).argParser(seconds),
    )
    .addOption(flag("--log <level>", "error, warn, info or debug (default: info)", "LOG"))
    .addOption(flag("--config <file>", "a JSON file with any of these, see deploy/agent.json", "CONFIG"))
    .action(async (_options, command: Command) => {
      const config = await readConfigOf(command.optsWithGlobals());
      const { runAgent } = await import("./run-agent.ts");
      const { startAgent } = await import("../agent.ts");
      await runAgent(config, startAgent);
    });
}

/** Commander's names of the flags above, and the global ones. */
export interface Flags extends Settings {
  etcd?: string[];
  etcdCa?: string;
  etcdCert?: string;
  etcdKey?: string;
  etcdUser?: string;
  etcdPasswordFile?: string;
  vici?: string;
  pskFile?: string;
  /** Commander says true where nobody said no. */
  encapsulation?: boolean;
  config?: string;
  color?: boolean;
}

/** What flags, the environment and the file come to. @throws CliError */
export async function readConfigOf(flags: Flags): Promise<Config> {
  const { readConfig, ConfigError } = await import("../config.ts");
  try {
    return readConfig(settingsOf(flags), flags.config);
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(exit.usage, error.message, error);
    throw error;
  }
}

export function settingsOf(flags: Flags): Settings {
  const { etcd, etcdCa, etcdCert, etcdKey, etcdUser, etcdPasswordFile, config: _, color: __, ...rest } = flags;
  const { vici, pskFile, encapsulation, ...same } = rest;
  const tls = given({ ca: etcdCa, cert: etcdCert, key: etcdKey });
  const user = given({ name: etcdUser, passwordFile: etcdPasswordFile });
  const ipsec = given({ vici, pskFile, encapsulation: encapsulation === false ? false : undefined });
  return { ...same, ...given({ etcd: given({ endpoints: etcd, tls, user }), ipsec }) };
}

/** Without the members that nobody gave; undefined where that is all of them. */
function given(parts: Record<string, unknown>): object | undefined {
  const said = Object.entries(parts).filter(([, value]) => value !== undefined);
  return said.length === 0 ? undefined : Object.fromEntries(said);
}
