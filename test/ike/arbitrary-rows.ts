import fc from "fast-check";
import type { Child, Connection } from "../../src/desired/rows.ts";
import { fromNumber } from "../../src/model/address.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const address = fc.integer({ min: 0x01000000, max: 0x7effffff }).map(fromNumber);
export const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/);
export const connection: fc.Arbitrary<Connection> = fc.record({
  type: fc.constant("connection"),
  host: name,
  local: address,
  remote: address,
  encap: fc.boolean(),
  auth: fc.oneof(
    fc.record({ type: fc.constant("pubkey"), own: key, peer: fc.array(key, { minLength: 1, maxLength: 20 }) }),
    fc.record({ type: fc.constant("psk") }),
  ),
}) as fc.Arbitrary<Connection>;
export const child: fc.Arbitrary<Child> = fc.record(
  {
    type: fc.constant("child" as const),
    mode: fc.constantFrom("tunnel" as const, "transport" as const),
    selector: fc.constantFrom("0.0.0.0/0", "dynamic[udp/4789]"),
    label: name,
    reqid: fc.nat(),
    ifId: fc.nat(),
    proposals: fc.array(fc.constantFrom("aes128gcm16-x25519", "aes128-sha256-x25519"), { minLength: 1 }),
  },
  { requiredKeys: ["type", "mode", "selector", "label", "reqid", "proposals"] },
);
