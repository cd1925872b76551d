import type { SaPair } from "./sa.ts";

/** One child of one peer as `skein tunnels` shows it. Times are seconds, sizes octets. */
export type TunnelState = TunnelPlace & (TunnelUp | TunnelConnecting | TunnelDown | TunnelUnknown);

export interface TunnelPlace {
  peer: string;
  /** As in its row's key: `child-blue`, `vxlan-4789`. */
  child: string;
  /** What it is for: a network's name, or `vxlan`. */
  label: string;
}

export interface TunnelUp extends SaPair {
  state: "up";
  mode: "tunnel" | "transport";
  /** Of ESP, with its key size: `AES_GCM_16-128`, `AES_CBC-128/HMAC_SHA2_256_128`. */
  cipher: string;
  /** Of the IKE_SA: cipher, pseudo-random function, key exchange. */
  ike: string;
  /** ESP in UDP. */
  encap: boolean;
  /** `10.99.0.1:4500` */
  local: string;
  remote: string;
  /** Whether this host began the IKE_SA. */
  initiator: boolean;
  /** Since its SAs were made or last rekeyed, and until they are rekeyed. */
  since: number;
  rekeyIn?: number;
  /** The same of the IKE_SA. */
  ikeSince: number;
  ikeRekeyIn?: number;
}

export interface TunnelConnecting {
  state: "connecting";
  attempt: number;
  /** Why the attempt before failed. */
  why?: string;
}

export interface TunnelDown {
  state: "down";
  /** In charon's words where it has any, or what is waited for. */
  why: string;
  attempt: number;
  /** Milliseconds until this host tries again. */
  nextMs?: number;
}

/** charon does not answer: SAs of the kernel stay as they are. */
export interface TunnelUnknown {
  state: "unknown";
  why: string;
}
