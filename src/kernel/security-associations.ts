import { from, mergeMap, type Observable } from "rxjs";
import type { Choice } from "../ike/outgoing.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import { MessageReader } from "./netlink/reader.ts";
import { deleteSa, setAddTime } from "./netlink/sa-changes.ts";
import { dumpSas, readSa, readStanding, type SaNotice } from "./netlink/sa-messages.ts";

/**
 * SAs of the host that the kernel drops, by whomever's wish: deleted, flushed, or expired. Whoever negotiated them is not
 * told by the kernel unless they expire. Where notices were lost any SA may be gone, as after a flush.
 *
 * It begins with the first listing of policies, and never holds a key.
 */
export function lostAssociations(kernel: Kernel): Observable<SaNotice> {
  return kernel.events$.pipe(mergeMap((event) => from(noticesOf(event))));
}

function* noticesOf(event: KernelEvent): Iterable<SaNotice> {
  if (event.scope !== "host" || !("protocol" in event) || event.protocol !== "xfrm") return;
  if (event.type === "lost") {
    yield { type: "flushed" };
    return;
  }
  const message = new MessageReader(event.bytes);
  while (message.next()) {
    const notice = readSa(message);
    if (notice) yield notice;
  }
}

/** Each SA that the host's kernel has now, as `<destination> <SPI>`; undefined where it does not say. */
export async function standingAssociations(kernel: Kernel): Promise<ReadonlySet<string> | undefined> {
  const answer = await kernel.dump("host", dumpSas(), "xfrm");
  if (!answer.ok) return undefined;
  const standing = new Set<string>();
  const message = new MessageReader(answer.value);
  while (message.next()) {
    const sa = readStanding(message);
    if (sa) standing.add(`${sa.dst} ${sa.spi}`);
  }
  return standing;
}

/**
 * By which SA packets leave, told by their ages: of several of one reqid the kernel takes the one that was made last, in
 * seconds. One that is preferred counts as made `aheadS` seconds from now, so that it goes before what is made until then.
 * It ends that much later by itself, too: what counts for its end, and for its rekeying, is the other one of the pair.
 */
export function choiceByAge(kernel: Kernel, aheadS: number): Choice {
  const tell = async (message: Uint8Array<ArrayBuffer>): Promise<void> => {
    // What is refused is gone; a kernel that is closed was the agent's, which ends.
    await kernel.batch("host", message, { protocol: "xfrm" }).catch(() => undefined);
  };
  /** Somebody may set the clock back: what is preferred last goes first all the same, for of equals the newest does. */
  let last = 0;
  return {
    prefer(sa) {
      last = Math.max(last, Math.floor(Date.now() / 1000) + aheadS);
      return tell(setAddTime(sa, last));
    },
    leave: (sa) => tell(deleteSa(sa)),
  };
}
