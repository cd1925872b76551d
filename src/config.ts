import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { cidr } from "./model/address.ts";
import { reasonOf } from "./model/reason.ts";
import { cidrSchema, ipSchema, nameSchema } from "./model/record.ts";

const path = z.string().regex(/^\/[^\0]*$/, { error: "an absolute path" });

const endpoint = z.string().regex(/^(?:https?:\/\/[^/\s]+|unix:\/\S+)$/, {
  error: "http://HOST:PORT, https://HOST:PORT or unix:/PATH",
});

const etcd = z.strictObject({
  endpoints: z
    .array(endpoint)
    .default([])
    .meta({ description: "Any of them may be down. Empty: the agent runs an etcd of its own" }),
  tls: z
    .strictObject({ ca: path.exactOptional(), cert: path.exactOptional(), key: path.exactOptional() })
    .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), {
      error: "cert and key together",
    })
    .meta({ description: "PEM files; ca absent: the system's authorities" })
    .exactOptional(),
  user: z
    .strictObject({ name: z.string().min(1), passwordFile: path })
    .meta({ description: "The password stands in a file, so that neither `ps` nor the configuration shows it" })
    .exactOptional(),
});

const ipsec = z
  .strictObject({
    vici: path
      .default("/run/skein/charon.vici")
      .meta({ description: "Where strongSwan's charon takes commands; see deploy/strongswan.conf" }),
    encapsulation: z
      .boolean()
      .default(true)
      .meta({ description: "ESP in UDP port 4500, also where no NAT asks for it; alike on all hosts" }),
    pskFile: path
      .meta({ description: "A secret that all hosts have, in place of keys of their own. Never in etcd" })
      .exactOptional(),
  })
  .meta({ description: "Encrypted networks" });

/** What an agent must be told. Unlike records it is strict: an unknown name here is a typing error, and is refused. */
export const configSchema = z
  .strictObject({
    host: nameSchema.meta({ description: "This host's name, one of its kind in the installation" }),
    etcd: etcd.prefault({}),
    prefix: z
      .string()
      .regex(/^(?:\/[A-Za-z0-9_.-]+)+\/?$/, { error: "a path such as /skein/v1" })
      .default("/skein/v1")
      .meta({ description: "Where the installation's keys begin; one etcd can hold several" }),
    underlay: z
      .string()
      .regex(/^[^\s/:]{1,15}$/, { error: "the name of a device or one of its IPv4 addresses" })
      .meta({ description: "The device that carries traffic between hosts, or one of its addresses" }),
    external: ipSchema
      .meta({ description: "Where peers reach this host, if that is not its underlay address: its NAT's" })
      .exactOptional(),
    ipsec: ipsec.prefault({}),
    state: path.default("/var/lib/skein").meta({ description: "Directory that outlives restarts" }),
    socket: path.default("/run/skein/agent.sock").meta({ description: "Where the agent answers the command line" }),
    uplinks: cidrSchema
      .default(cidr("169.254.64.0/18"))
      .meta({ description: "Addresses between networks and the host, two a network; seen on this host only" }),
    netnsDirectories: z
      .array(path)
      .min(1)
      .default(["/run/netns"])
      .meta({ description: "Containers' namespaces are attached from below these only" }),
    resolvConf: path
      .default("/etc/resolv.conf")
      .meta({ description: "Names the servers that other names are asked of" }),
    linger: z
      .number()
      .min(0)
      .default(60)
      .meta({ description: "Seconds that the host stays in a network after its last container there went" }),
    sweep: z.number().min(0.1).default(30).meta({
      description: "Seconds between looks for addresses that nobody has; what is collected was seen for twice as long",
    }),
    forgetHosts: z.number().min(1).exactOptional().meta({
      description: "Seconds after which a host whose agent is away is removed. Absent: only by skein host remove",
    }),
    log: z.enum(["error", "warn", "info", "debug"]).default("info"),
  })
  .meta({ id: "config", description: "Configuration of skein agent" });

export type Config = z.infer<typeof configSchema>;

/** What flags and the environment say: any part of a configuration, not checked yet. */
export type Settings = { [K in keyof z.input<typeof configSchema>]?: unknown };

/** A configuration that cannot be used; the message says which part, and what was expected there. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Lays settings over the file over the defaults. The default host is the system's name, the default underlay the
 * device of the default route.
 *
 * @param settings what flags and the environment say; absent members say nothing
 * @param file path of a JSON file with any part of a configuration
 * @throws ConfigError
 */
export function readConfig(settings: Settings, file?: string): Config {
  const fromFile = file === undefined ? {} : readJson(file);
  const nested = {
    etcd: merge(fromFile.etcd, settings.etcd),
    ipsec: merge(fromFile.ipsec, settings.ipsec),
  };
  const merged = { host: hostname(), ...fromFile, ...settings, ...nested };
  const complete = { ...merged, underlay: merged.underlay ?? defaultRouteDevice() };
  const parsed = configSchema.safeParse(complete);
  if (parsed.success) return parsed.data;
  // A text that fails its pattern fails its check too: the first word on each place will do.
  const first = new Map(parsed.error.issues.toReversed().map((issue) => [issue.path.join("."), issue]));
  const faults = [...first.values()].reverse().map((issue) => describe(issue, complete));
  throw new ConfigError(`Cannot use configuration${file === undefined ? "" : ` ${file}`}: ${faults.join("; ")}`);
}

function describe(issue: z.core.$ZodIssue, settings: object): string {
  if (issue.code !== "unrecognized_keys") return reasonOf(new z.ZodError([issue]), settings);
  return `${[...issue.path, issue.keys.join(", ")].join(".")}: expected a known name`;
}

/** Flags may name the endpoints where the file has the user; a wrong type is left for the schema to refuse. */
function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below;
  return isObject(below) && isObject(above) ? { ...below, ...above } : above;
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function readJson(file: string): Settings {
  try {
    const json: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (isObject(json)) return json;
    throw new TypeError(JSON.stringify(json));
  } catch (cause) {
    const found = cause instanceof Error ? cause.message.replaceAll(/\s+/g, " ") : String(cause);
    throw new ConfigError(`Cannot read configuration ${file}: expected a JSON object, got ${found}`, { cause });
  }
}

/** @param table the text of /proc/net/route */
export function defaultRouteDevice(table: string = readFileSync("/proc/net/route", "utf8")): string {
  const routes = table
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s+/));
  // Columns: Iface Destination Gateway Flags RefCnt Use Metric Mask, addresses in hexadecimal.
  const defaults = routes.filter((route) => route[1] === "00000000" && route[7] === "00000000");
  const [best] = defaults.sort((a, b) => Number(a[6]) - Number(b[6]));
  if (best?.[0] !== undefined) return best[0];
  throw new ConfigError(
    "Cannot choose the underlay: expected a default route whose device it would be, got none. Name it with --underlay",
  );
}
