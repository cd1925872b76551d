import { from, mergeMap } from "rxjs";
import { describeRow } from "../desired/print.ts";
import { isOurPolicy, type Policy, policyKey, type Scope } from "../desired/rows.ts";
import { type Driver, type Failure, type Notice, type Observed, type Operation, rowId } from "../reconcile/kind.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import * as c from "./netlink/constants.ts";
import { dumpPolicies, putPolicy, readPolicy, removePolicy } from "./netlink/policy-messages.ts";
import { MessageReader } from "./netlink/reader.ts";
import { MessageWriter } from "./netlink/writer.ts";
import { refusal } from "./refusal.ts";

type PolicyRow = Observed<"policy">;
type PolicyOperation = Operation<"policy">;
type Outcome = Failure | undefined;

const kind = "policy";
const protocol = "xfrm";

/**
 * XFRM policies of the host's namespace, where those of networks' xfrm interfaces are too.
 *
 * What is another's (see isOurPolicy) is neither listed nor touched; where it has the selector of a wish, adding fails and
 * says what stands there. A batch is one buffer, whatever else the kernel holds.
 */
export function policyDriver(kernel: Kernel): Driver<"policy"> {
  return { kind, notices$: kernel.events$.pipe(mergeMap((event) => from(noticesOf(event)))), list, apply };

  async function list(scope: Scope): Promise<PolicyRow[]> {
    if (scope !== "host") return [];
    const found = await all();
    return found.filter(isOurPolicy).map(rowOf);
  }

  async function all(): Promise<Policy[]> {
    const answer = await kernel.dump("host", dumpPolicies(), protocol);
    if (answer.ok) return read(answer.value);
    if (isWithout(answer.failure)) return [];
    throw new Error(answer.failure.message);
  }

  async function apply(_scope: Scope, operations: readonly PolicyOperation[]): Promise<Outcome[]> {
    const outcomes = await send(operations);
    const refused = operations.filter((_, at) => outcomes[at]?.code === "EEXIST");
    if (refused.length === 0) return outcomes;
    // What an earlier agent, or this one, made is to be had by its own wish.
    const standing = new Map((await all()).map((policy) => [policyKey(policy), policy]));
    const ours = refused.filter(({ row }) => {
      const found = standing.get(row.key);
      return !found || isOurPolicy(found);
    });
    const again = await send(ours.map(({ row }) => ({ verb: "replace", row, was: row.value }) as PolicyOperation));
    const mended = new Map(ours.map(({ row }, at) => [row.key, again[at]]));
    return operations.map(({ row: { key } }, at) => {
      if (outcomes[at]?.code !== "EEXIST") return outcomes[at];
      return mended.has(key) ? mended.get(key) : taken(key, standing.get(key) as Policy);
    });
  }

  async function send(operations: readonly PolicyOperation[]): Promise<Outcome[]> {
    if (operations.length === 0) return [];
    const writer = new MessageWriter();
    for (const { verb, row } of operations) {
      if (verb === "remove") removePolicy(writer, row.value);
      else putPolicy(writer, row.value, verb === "add");
    }
    const answer = await kernel.batch("host", writer.finish(), { protocol });
    return operations.map(({ verb, row }, at) => {
      if (answer.ok) return refusal(answer.value, at, verb, row, verb === "remove" ? ["ENOENT"] : []);
      if (!isWithout(answer.failure)) return answer.failure;
      return verb === "remove" ? undefined : without(row);
    });
  }
}

function read(dump: Uint8Array): Policy[] {
  const found: Policy[] = [];
  const message = new MessageReader(dump);
  while (message.next()) {
    const policy = readPolicy(message);
    if (policy) found.push(policy);
  }
  return found;
}

function* noticesOf(event: KernelEvent): Iterable<Notice> {
  if (event.scope !== "host" || !("protocol" in event) || event.protocol !== protocol) return;
  if (event.type === "lost") {
    yield relist("the kernel's events of XFRM overflowed");
    return;
  }
  const message = new MessageReader(event.bytes);
  while (message.next()) {
    const notice = noticeOf(message);
    if (notice) yield notice;
  }
}

function noticeOf(message: MessageReader): Notice | undefined {
  switch (message.type) {
    case c.XFRM_MSG_FLUSHPOLICY:
      return relist("policies were flushed");
    case c.XFRM_MSG_POLEXPIRE:
      // Ours never do, unless somebody gave one an end.
      return relist("a policy expired");
    case c.XFRM_MSG_NEWPOLICY:
    case c.XFRM_MSG_UPDPOLICY: {
      const policy = readPolicy(message);
      if (!policy) return undefined;
      if (isOurPolicy(policy)) return { type: "present", row: rowOf(policy) };
      // A new one stands where none was; one that was changed may have been ours.
      return message.type === c.XFRM_MSG_UPDPOLICY ? absent(policy) : undefined;
    }
    case c.XFRM_MSG_DELPOLICY: {
      const policy = readPolicy(message);
      return policy && isOurPolicy(policy) ? absent(policy) : undefined;
    }
    default:
      return undefined;
  }
}

function rowOf(policy: Policy): PolicyRow {
  return { kind, scope: "host", key: policyKey(policy), value: policy };
}

function absent(policy: Policy): Notice {
  return { type: "absent", kind, scope: "host", key: policyKey(policy) };
}

function relist(why: string): Notice {
  return { type: "relist", scope: "host", kinds: [kind], why };
}

/** What socket() says where neither the kernel nor a module of it speaks XFRM. */
function isWithout({ code }: Failure): boolean {
  return code === "EPROTONOSUPPORT";
}

function without(row: PolicyRow): Failure {
  const message = `Cannot add ${rowId(row)}: expected XFRM in the kernel (CONFIG_XFRM_USER, module xfrm_user), got none`;
  return { code: "EPROTONOSUPPORT", message, next: "retry" };
}

function taken(key: string, found: Policy): Failure {
  const got = `another's: ${describeRow(rowOf(found))}`;
  return {
    code: "EEXIST",
    message: `Cannot add ${rowId({ kind, scope: "host", key })}: expected none, got ${got}`,
    next: "retry",
  };
}
