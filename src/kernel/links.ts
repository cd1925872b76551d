import type { Link, Scope } from "../desired/rows.ts";
import { type Driver, type Failure, type Observed, type Operation, rowId } from "../reconcile/kind.ts";
import type { Answer, BatchReply, Kernel, NamespaceReference } from "./kernel.ts";
import type { LinkTable } from "./link-table.ts";
import { aliasOf, arePair, isOurs, isSameDevice, linkFulfils } from "./link-value.ts";
import * as messages from "./netlink/link-messages.ts";
import { MessageWriter } from "./netlink/writer.ts";
import { missingDevice, refusal } from "./refusal.ts";
import type { Scopes } from "./scopes.ts";

type LinkRow = Observed<"link">;
type Outcome = Failure | undefined;

/**
 * Bridges, VXLAN devices, xfrm interfaces and pairs. What can be changed in place is; another type, VNI, local address,
 * port, if_id or far end takes a new device. A pair's far end is brought to its state with the near end, since it is no use without; its own row
 * keeps it so.
 */
export function linkDriver(kernel: Kernel, scopes: Scopes): Driver<"link"> {
  return { kind: "link", notices$: scopes.notices$, same: linkFulfils, list, apply };

  async function list(scope: Scope): Promise<LinkRow[]> {
    const rows = await scopes.links(scope);
    if (!("code" in rows)) return rows;
    if (rows.next === "wait") return [];
    throw new Error(rows.message);
  }

  /** One after another: a port needs the index of the bridge made before it. */
  async function apply(scope: Scope, operations: readonly Operation<"link">[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const operation of operations) outcomes.push(await applyOne(scope, operation));
    return outcomes;
  }

  async function applyOne(scope: Scope, { verb, row }: Operation<"link">): Promise<Outcome> {
    const table = await scopes.ready(scope);
    if ("code" in table) return verb === "remove" && table.code === "NETNS_MISSING" ? undefined : table;
    return verb === "remove" ? remove(table, row) : ensure(table, row);
  }

  async function ensure(table: LinkTable, row: LinkRow): Promise<Outcome> {
    const found = table.named(row.key);
    if (!found) return create(table, row);
    const isMine = isOurs(table.scope, found) || isUnmarkedFarEnd(table.scope, found, row.value);
    if (!isMine) {
      const got = `one of somebody else's, type ${found.type || "unknown"}`;
      return { code: "EEXIST", message: `Cannot add ${rowId(row)}: expected the name free, got ${got}`, next: "retry" };
    }
    const value = scopes.value(table, found);
    const isFarEnd = row.value.type === "veth-peer" && found.type === "veth";
    if (isFarEnd || (value && isSameDevice(row.value, value))) return adjust(table, row, found);
    return (await remove(table, row)) ?? create(table, row);
  }

  /** An agent that died between making a pair and marking it leaves a far end that only its near end tells of. */
  function isUnmarkedFarEnd(scope: Scope, found: messages.LinkInfo, wish: Link): boolean {
    if (wish.type !== "veth-peer") return false;
    const near = scopes.nearEnd(scope, found.name);
    return near !== undefined && arePair(near, found);
  }

  function create(table: LinkTable, row: LinkRow): Promise<Outcome> | Outcome {
    const { scope } = table;
    const { key: name, value: link } = row;
    const writer = new MessageWriter();
    switch (link.type) {
      case "bridge":
        messages.createBridge(writer, name, link);
        return settle(row, [[scope, finishing(writer, name, { mtu: link.mtu, alias: aliasOf(link) })]]);
      case "vxlan": {
        const references = messages.createVxlan(writer, scope, name, link);
        return settle(row, [
          ["host", writer, references],
          [scope, finishing(new MessageWriter(), name, { alias: aliasOf(link) })],
        ]);
      }
      case "xfrm":
        return createXfrm(scope, row, link);
      case "veth": {
        const references = messages.createVeth(writer, name, link);
        const master = masterIndex(table, link);
        if (master === undefined && link.master !== undefined) return missingDevice(row, link.master);
        finishing(writer, name, { alias: aliasOf(link), ...(master !== undefined && { master }) });
        const { peer } = link;
        return settle(row, [
          [scope, writer, references],
          [peer.scope, finishing(new MessageWriter(), peer.name, { alias: farEndAlias })],
        ]);
      }
      case "veth-peer":
        return { ...missingDevice(row, `${name} made with its near end`), next: "wait" };
    }
  }

  async function createXfrm(scope: Scope, row: LinkRow, link: Extract<Link, { type: "xfrm" }>): Promise<Outcome> {
    const writer = new MessageWriter();
    const references = messages.createXfrm(writer, scope, row.key, link);
    const outcome = await settle(row, [
      ["host", writer, references],
      [scope, finishing(new MessageWriter(), row.key, { alias: aliasOf(link) })],
    ]);
    if (!outcome) return undefined;
    // One that could not be moved, now or when an agent died, is in the way of the next; where there is none, this is refused.
    messages.deleteLinkNamed(writer, messages.xfrmBirthName(link.ifId));
    await kernel.batch("host", writer.finish());
    return outcome;
  }

  function adjust(table: LinkTable, row: LinkRow, found: messages.LinkInfo): Promise<Outcome> | Outcome {
    const { key: name, value: wish } = row;
    const settings: messages.LinkSettings = {};
    const alias = aliasOf(wish);
    if (found.mtu !== wish.mtu) settings.mtu = wish.mtu;
    if (wish.mac && found.mac !== wish.mac) settings.mac = wish.mac;
    if (found.alias !== alias) settings.alias = alias;
    if (wish.type === "veth") {
      const master = masterIndex(table, wish) ?? 0;
      if (wish.master !== undefined && master === 0) return missingDevice(row, wish.master);
      if (master !== (found.master ?? 0)) settings.master = master;
    }
    return settle(row, [[table.scope, finishing(new MessageWriter(), name, settings)]]);
  }

  async function remove(table: LinkTable, row: LinkRow): Promise<Outcome> {
    const found = table.named(row.key);
    if (!found || !isOurs(table.scope, found)) return undefined;
    const writer = new MessageWriter();
    messages.deleteLink(writer, found.index);
    const answer = await kernel.batch(table.scope, writer.finish());
    return answer.ok ? refusal(answer.value, 0, "remove", row, ["ENODEV"]) : answer.failure;
  }

  /** Sends the steps one behind the other without waiting in between; the first refusal is the row's. */
  async function settle(row: LinkRow, steps: Step[]): Promise<Outcome> {
    const answers = await Promise.all(
      steps.map(([scope, writer, references]) => kernel.batch(scope, writer.finish(), references && { references })),
    );
    return answers.map((answer) => firstRefusal(row, answer)).find((failure) => failure !== undefined);
  }
}

type Step = [scope: Scope, writer: MessageWriter, references?: readonly NamespaceReference[]];

/** What a kernel without IPv6 says to `setNoLinkLocal`, and to nothing else. */
const EAFNOSUPPORT = 97;
const farEndAlias = aliasOf({ type: "veth-peer", mtu: 0, up: true });

/** What every link of ours comes to after its creation or at its adjustment. */
function finishing(writer: MessageWriter, name: string, settings: messages.LinkSettings): MessageWriter {
  if (Object.keys(settings).length > 0) messages.setLink(writer, name, settings);
  messages.setNoLinkLocal(writer, name);
  messages.setUp(writer, name);
  return writer;
}

function firstRefusal(row: LinkRow, answer: Answer<BatchReply>): Outcome {
  if (!answer.ok) return answer.failure;
  const index = answer.value.errnos.findIndex((errno) => errno !== 0 && errno !== EAFNOSUPPORT);
  return index < 0 ? undefined : refusal(answer.value, index, "make", row);
}

function masterIndex(table: LinkTable, link: Extract<Link, { type: "veth" }>): number | undefined {
  return link.master === undefined ? undefined : table.named(link.master)?.index;
}
