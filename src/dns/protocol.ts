/** Numbers of the protocol (IANA's DNS parameters), those that are named anywhere here. */
export const type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  ANY: 255,
} as const;
export const rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = (typeof rcode)[keyof typeof rcode];

/** The second word of the header. */
export const flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;
export const opcodeMask = 0x7800;

export const classIn = 1;
/** Octets of the header, where the question begins. */
export const headerSize = 12;
/** Octets of an OPT record without options. */
export const optSize = 11;
/** What a client takes that says nothing (RFC 1035, 4.2.1). */
export const plainSize = 512;
/** What goes through any path unfragmented (DNS flag day 2020), and the most we send or ask for by UDP. */
export const ednsSize = 1232;
export const largestMessage = 65535;
