import type { Host } from "../../src/lab/host.ts";
import type { Place } from "../../src/lab/place.ts";

/** What the kernel holds, by namespace and then by sort, as `ip`, `bridge` and `nft` print it. */
export type Snapshot = Record<string, Record<string, unknown>>;

/** Looks into the host's namespace and all it has names for. One process for the whole of it: a test looks often. */
const script = `
look() {
  show() { printf '%s\\t' "$1"; shift; "$@" 2>/dev/null | tr -d '\\n'; echo; }
  show links ip -json -details link
  show addresses ip -json -4 address
  show routes ip -json -4 -details route show table all
  show neighbours ip -json -4 neighbour show nud permanent
  show fdb bridge -json fdb show
  show nft nft -j list ruleset
  printf 'sysctls\\t['
  cd /proc/sys/net
  grep -s . ipv4/ip_forward ipv4/conf/*/proxy_arp ipv4/conf/*/rp_filter ipv4/conf/*/send_redirects \\
    ipv4/neigh/*/proxy_delay ipv6/conf/*/disable_ipv6 bridge/bridge-nf-call-*tables | sed 's/.*/"&",/' | tr -d '\\n'
  echo '""]'
}
look
`;

export async function snapshotOf(host: Host): Promise<Snapshot> {
  const names = (await host.output("ip", ["netns", "list"])).split("\n").flatMap((line) => line.split(" ")[0] || []);
  const places = [{ name: "host", place: host as Place }];
  for (const name of names.sort()) places.push({ name, place: host.in(name) });
  const looks = places.map(async ({ name, place }) => [name, await lookInto(place)]);
  return Object.fromEntries(await Promise.all(looks));
}

async function lookInto(place: Pick<Place, "exec">): Promise<Snapshot[string]> {
  const { code, stdout, stderr } = await place.exec("sh", ["-c", script, "look"]);
  // A name whose namespace was not mounted yet when its maker was killed.
  return code === 0 ? read(stdout) : { broken: stderr };
}

function read(text: string): Snapshot[string] {
  const lines = text.trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [sort = "", json] = line.split("\t");
      return [sort, normal(sort, JSON.parse(json || "[]"))];
    }),
  );
}

type Item = Record<string, unknown>;

function normal(sort: string, items: unknown): unknown {
  if (sort === "nft") return nftObjects((items as { nftables?: Item[] }).nftables ?? []);
  if (sort === "sysctls") return items;
  let all = (items as Item[]).map((item) => stable(item) as Item);
  // In the order they were given; nothing of ours chooses by it, since every route names its source.
  if (sort === "addresses") for (const link of all) link.addr_info = sorted(link.addr_info as Item[]);
  // The near end of a container's pair has a MAC of the kernel's own choice, and the bridge an entry for it.
  if (sort === "links") for (const link of all) if (String(link.ifname).startsWith("skc")) delete link.address;
  if (sort === "fdb") all = all.filter(({ dst }) => dst !== undefined);
  return sorted(all);
}

function sorted(items: Item[]): Item[] {
  const texts = items.map((item) => JSON.stringify(item)).sort();
  return texts.map((text) => JSON.parse(text));
}

/** Numbers that the kernel gives out as things come, clocks, and what others do to a link, such as listening to it. */
const fleeting =
  /^(ifindex|link_index|handle|index|id|no|designated_port|promiscuity|allmulti|.*_timer|link_netnsid|linkNetNsId)$/;

function stable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stable);
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).filter(([name]) => !fleeting.test(name));
  return Object.fromEntries(fields.map(([name, field]) => [name, stable(field)]));
}

/** Tables, chains and sets in order of names, rules within their chain in their own order. */
function nftObjects(objects: Item[]): unknown {
  const rules = new Map<string, unknown[]>();
  const others: string[] = [];
  for (const object of objects) {
    const [[type, value] = ["", {}]] = Object.entries(object) as [string, Item][];
    if (type === "metainfo") continue;
    if (type === "rule") {
      const chain = `${value.family} ${value.table} ${value.chain}`;
      rules.set(chain, [...(rules.get(chain) ?? []), stable(value)]);
      continue;
    }
    const elem = Array.isArray(value.elem) && value.elem.map((element) => JSON.stringify(element)).sort();
    others.push(JSON.stringify({ type, ...(stable(value) as Item), ...(elem && { elem }) }));
  }
  return { objects: others.sort().map((text) => JSON.parse(text)), rules: Object.fromEntries([...rules].sort()) };
}

/** The snapshot without what `skein` leaves behind on purpose: forwarding stays on. */
export function withoutSysctls(snapshot: Snapshot): Snapshot {
  return Object.fromEntries(Object.entries(snapshot).map(([name, { sysctls: _, ...rest }]) => [name, rest]));
}
