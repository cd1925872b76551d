import { mark } from "../desired/rows.ts";
import { dumpAddresses, readAddress, writeAddress } from "./netlink/address-messages.ts";
import { RTM_DELADDR } from "./netlink/constants.ts";
import { type RowCodec, unknownDevice } from "./row-codec.ts";

/** IPv4 addresses. In a network's namespace all are ours but loopback's, elsewhere those with our protocol number. */
export const addresses: RowCodec<"address"> = {
  kind: "address",
  dump: dumpAddresses,
  read(message, table) {
    const { scope } = table;
    const found = readAddress(message);
    if (!found) return undefined;
    const { index, address, protocol } = found;
    const dev = table.nameFor(index);
    if (protocol !== mark.protocol && (!scope.startsWith("net:") || dev === "lo")) return undefined;
    if (dev === undefined) return unknownDevice("address", scope, index);
    const key = `${dev} ${address}`;
    if (message.type === RTM_DELADDR) return { type: "absent", kind: "address", scope, key };
    return { type: "present", row: { kind: "address", scope, key, value: { dev, address } } };
  },
  dev: ({ dev }) => dev,
  put: (writer, { address }, index) => writeAddress(writer, "add", index, address),
  remove: (writer, { address }, index) => writeAddress(writer, "remove", index, address),
  // Before 5.18 an address carries no protocol number, so that one of ours is not known again: adding it says EEXIST.
  done: { put: ["EEXIST"], remove: ["EADDRNOTAVAIL", "ENODEV"] },
};
