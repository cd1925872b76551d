import type { Policy } from "../../desired/rows.ts";
import { type Cidr, firstOf, type Ip, prefixLength } from "../../model/address.ts";
import * as c from "./constants.ts";
import type { MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

/** struct xfrm_userpolicy_info: selector 56, lifetime limits 64, lifetime so far 32, then numbers. */
const infoBytes = 168;
/** struct xfrm_userpolicy_id: selector, index, direction. */
const idBytes = 64;
/** struct xfrm_user_tmpl. */
const templateBytes = 64;
const limitsAt = 56;
const dirs = ["in", "out", "fwd"] as const;
const unlimited = 0xffff_ffff;

/** A policy that a row can name. Its value is no wish's, since it has reqid 0, where it is other than a row can say. */
export function readPolicy(message: MessageReader): Policy | undefined {
  const isGone = message.type === c.XFRM_MSG_DELPOLICY;
  const attributes = message.attributes(isGone ? idBytes : infoBytes);
  const info = isGone ? attributes.structure(c.XFRMA_POLICY, infoBytes) : message.header(infoBytes);
  const named = info && readSelector(info);
  // A mark, or the second table that CONFIG_XFRM_SUB_POLICY brings, makes another policy of the same selector.
  if (!named || attributes.has(c.XFRMA_MARK) || (attributes.u8(c.XFRMA_POLICY_TYPE) ?? 0) !== 0) return undefined;
  const ifId = attributes.u32(c.XFRMA_IF_ID);
  const rest = readTemplate(attributes.structure(c.XFRMA_TMPL, templateBytes));
  const isPlain = rest && info.getUint16(161, true) === 0 && info.getUint8(163) === 0 && isForEver(info);
  return {
    ...named,
    ...(ifId !== undefined && { ifId }),
    priority: info.getUint32(152, true),
    ...(isPlain ? rest : { mode: "transport", reqid: 0 }),
  };
}

export function dumpPolicies(): Uint8Array<ArrayBuffer> {
  return new MessageWriter().begin(c.XFRM_MSG_GETPOLICY, c.NLM_F_ROOT_MATCH).zeros(idBytes).finish();
}

/** `exclusive` refuses where a policy of the same selector and interface exists, whoever made it; else it takes that one's place. */
export function putPolicy(writer: MessageWriter, policy: Policy, exclusive: boolean): void {
  const { dir, ifId, priority, mode, reqid, outer } = policy;
  selector(writer.begin(exclusive ? c.XFRM_MSG_NEWPOLICY : c.XFRM_MSG_UPDPOLICY, 0), policy);
  // No limit of bytes or packets, no end in time: the policy is there until it is removed.
  for (let word = 0; word < 8; word++) writer.u32(unlimited);
  writer
    .zeros(32 + 32)
    .u32(priority)
    .u32(0)
    .u8(dirs.indexOf(dir), 0, 0, 0)
    .zeros(4);
  writer.structure(c.XFRMA_TMPL, () => {
    outerAddress(writer, outer?.dst).u32(0).u8(c.IPPROTO_ESP, 0, 0, 0).u16(c.AF_INET).u16(0);
    outerAddress(writer, outer?.src).u32(reqid);
    writer.u8(mode === "tunnel" ? c.XFRM_MODE_TUNNEL : c.XFRM_MODE_TRANSPORT, 0, 0, 0);
    // Any algorithms: which ones is the matter of whoever negotiates.
    writer.u32(unlimited).u32(unlimited).u32(unlimited);
  });
  if (ifId !== undefined) writer.number(c.XFRMA_IF_ID, ifId);
}

/** Of any priority: the kernel knows a policy by selector, direction and interface. */
export function removePolicy(writer: MessageWriter, policy: Policy): void {
  selector(writer.begin(c.XFRM_MSG_DELPOLICY, 0), policy);
  writer.u32(0).u8(dirs.indexOf(policy.dir), 0, 0, 0);
  if (policy.ifId !== undefined) writer.number(c.XFRMA_IF_ID, policy.ifId);
}

/** struct xfrm_selector: addresses of 16 octets, ports with masks, family, prefix lengths, protocol, device, user. */
function selector(writer: MessageWriter, { src, dst, udp }: Policy): void {
  writer.address(firstOf(dst)).zeros(12).address(firstOf(src)).zeros(12);
  for (let end = 0; end < 2; end++) {
    if (udp === undefined) writer.zeros(4);
    else writer.u8(udp >>> 8, udp & 255, 255, 255);
  }
  writer.u16(c.AF_INET).u8(prefixLength(dst), prefixLength(src));
  writer.u8(udp === undefined ? 0 : c.IPPROTO_UDP).zeros(3 + 8);
}

function outerAddress(writer: MessageWriter, address: Ip | undefined): MessageWriter {
  return address === undefined ? writer.zeros(16) : writer.address(address).zeros(12);
}

/** `undefined` for what is named otherwise than ours: by IPv6, another protocol, ranges of ports, a device, a user, a socket. */
function readSelector(info: DataView): Pick<Policy, "dir" | "src" | "dst" | "udp"> | undefined {
  const dir = dirs[info.getUint8(160)];
  const ports = info.getUint32(32, false);
  const proto = info.getUint8(44);
  const [device, user] = [info.getUint32(48, true), info.getUint32(52, true)];
  if (dir === undefined || info.getUint16(40, true) !== c.AF_INET || device !== 0 || user !== 0) return undefined;
  if (ports !== info.getUint32(36, false)) return undefined;
  const names = { dir, src: prefixAt(info, 16, 43), dst: prefixAt(info, 0, 42) };
  if (proto === 0 && ports === 0) return names;
  return proto === c.IPPROTO_UDP && (ports & 0xffff) === 0xffff ? { ...names, udp: ports >>> 16 } : undefined;
}

/** The one template of ESP with any algorithm; `undefined` for anything else. */
function readTemplate(templates: DataView | undefined): Pick<Policy, "mode" | "reqid" | "outer"> | undefined {
  if (templates?.byteLength !== templateBytes) return undefined;
  const word = (at: number) => templates.getUint32(at, true);
  const isPlain = word(16) === 0 && templates.getUint8(20) === c.IPPROTO_ESP && templates.getUint16(49, true) === 0;
  if (!isPlain || [word(52), word(56), word(60)].some((mask) => mask !== unlimited)) return undefined;
  const reqid = word(44);
  const [src, dst] = [addressAt(templates, 28), addressAt(templates, 0)];
  switch (templates.getUint8(48)) {
    case c.XFRM_MODE_TUNNEL:
      return { mode: "tunnel", reqid, outer: { src, dst } };
    case c.XFRM_MODE_TRANSPORT:
      return word(28) === 0 && word(0) === 0 ? { mode: "transport", reqid } : undefined;
    default:
      return undefined;
  }
}

function isForEver(info: DataView): boolean {
  for (let at = limitsAt; at < limitsAt + 64; at += 4)
    if (info.getUint32(at, true) !== (at < limitsAt + 32 ? unlimited : 0)) return false;
  return true;
}

function prefixAt(info: DataView, at: number, lengthAt: number): Cidr {
  return `${addressAt(info, at)}/${info.getUint8(lengthAt)}` as Cidr;
}

function addressAt(view: DataView, at: number): Ip {
  return `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}` as Ip;
}
