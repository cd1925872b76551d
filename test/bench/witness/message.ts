/**
 * What a notification says, in few words: `+ route 10.42.0.0/26`, `- neighbour 10.42.0.2`, `+ policy out 10.42.0.0/26`.
 * Numbers as in the uapi headers.
 */
export function describe(protocol: number, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: string[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += aligned(view.getUint32(at, true))) {
    const message = {
      type: view.getUint16(at + 4, true),
      at: at + 16,
      end: at + view.getUint32(at, true),
      view,
      bytes,
    };
    found.push(...(describers[protocol]?.(message) ?? []));
  }
  return found;
}

/** By netlink protocol. */
const describers: Record<number, (message: Message) => string[]> = {
  0: describeRoute,
  6: describePolicy,
  12: describeNftables,
};

interface Message {
  type: number;
  /** Where the fixed header begins. */
  at: number;
  end: number;
  view: DataView;
  bytes: Uint8Array;
}

function describeRoute(message: Message): string[] {
  const { type, at, view, bytes } = message;
  switch (type) {
    case 16:
    case 17: {
      // AF_UNSPEC only: bridges tell of their ports a second time.
      if (bytes[at] !== 0) return [];
      const isUp = (view.getUint32(at + 8, true) & 1) !== 0;
      const name = textOf(attribute(message, 16, 3));
      return [type === 17 ? `- link ${name}` : `+ link ${name}${isUp ? " up" : ""}`];
    }
    case 20:
    case 21:
      return [`${sign(type === 20)} address ${ipOf(attribute(message, 8, 2))}/${bytes[at + 1]}`];
    case 24:
    case 25: {
      const dst = attribute(message, 12, 1);
      return [`${sign(type === 24)} route ${dst ? ipOf(dst) : "0.0.0.0"}/${bytes[at + 1]}`];
    }
    case 28:
    case 29: {
      const isPermanent = (view.getUint16(at + 8, true) & 0x80) !== 0;
      if (type === 28 && !isPermanent) return [];
      const isBridge = bytes[at] === 7;
      const what = isBridge
        ? `fdb ${macOf(attribute(message, 12, 2))}`
        : `neighbour ${ipOf(attribute(message, 12, 1))}`;
      return [`${sign(type === 28)} ${what}`];
    }
    default:
      return [];
  }
}

/** By the end that is not ours: what goes out goes there, what comes in comes from there. */
function describePolicy({ type, at, view, bytes }: Message): string[] {
  // NEWPOLICY and UPDPOLICY begin with xfrm_userpolicy_info, DELPOLICY with xfrm_userpolicy_id; both with the selector.
  const isGone = type === 20;
  if (!isGone && type !== 19 && type !== 25) return [];
  const isOut = bytes[at + (isGone ? 60 : 160)] === 1;
  const address = ipOf(bytes.subarray(at + (isOut ? 0 : 16), at + (isOut ? 4 : 20)));
  return [`${sign(!isGone)} policy ${isOut ? "out" : "in"} ${address}/${view.getUint8(at + (isOut ? 42 : 43))}`];
}

/** Subsystem 10; sets' elements 12 and 14, rules 6 and 8, everything else by its number; a generation (15) ends each transaction. */
function describeNftables(message: Message): string[] {
  const what = message.type & 0xff;
  switch (what) {
    case 6:
    case 8:
      return [`${sign(what === 6)} rule ${textOf(attribute(message, 4, 2))}`];
    case 12:
    case 14: {
      const list = attribute(message, 4, 3);
      // list > element > key > value
      const keys = list ? [...nested(list)].flatMap(keyOfElement) : [];
      return keys.map((key) => `${sign(what === 12)} element ${key}`);
    }
    case 15:
      return [];
    default:
      return [`+ nft ${what}`];
  }
}

function keyOfElement(element: Uint8Array): string[] {
  const key = [...attributes(element)].find(([type]) => type === 1)?.[1];
  const value = key && [...attributes(key)].find(([type]) => type === 1)?.[1];
  return value ? [value.length === 4 ? ipOf(value) : Buffer.from(value).toString("hex")] : [];
}

function attribute({ at, end, bytes }: Message, header: number, wanted: number): Uint8Array | undefined {
  for (const [type, value] of attributes(bytes.subarray(at + header, end))) if (type === wanted) return value;
  return undefined;
}

function* nested(list: Uint8Array): Generator<Uint8Array> {
  for (const [, value] of attributes(list)) yield value;
}

function* attributes(bytes: Uint8Array): Generator<[number, Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) return;
    yield [view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length)];
    at += aligned(length);
  }
}

function ipOf(value: Uint8Array | undefined): string {
  return value ? value.join(".") : "?";
}

function macOf(value: Uint8Array | undefined): string {
  return value ? Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(":") : "?";
}

function textOf(value: Uint8Array | undefined): string {
  return value ? Buffer.from(value).toString("latin1").replace(/\0.*$/s, "") : "?";
}

function sign(isThere: boolean): "+" | "-" {
  return isThere ? "+" : "-";
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
