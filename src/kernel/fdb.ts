import { isMac } from "../model/address.ts";
import { isOurs } from "./link-value.ts";
import { AF_BRIDGE, NTF_SELF, NUD_PERMANENT, RTM_DELNEIGH } from "./netlink/constants.ts";
import { addForwarding, dumpNeighbours, readNeighbour, removeForwarding } from "./netlink/neighbour-messages.ts";
import { type RowCodec, unknownDevice } from "./row-codec.ts";

/** Unicast entries of our VXLAN devices; all of them are ours, since these devices do not learn. */
export const fdb: RowCodec<"fdb"> = {
  kind: "fdb",
  dump: () => dumpNeighbours(AF_BRIDGE),
  read(message, table) {
    const { scope } = table;
    const { family, index, state, flags, dst, lladdr } = readNeighbour(message);
    if (family !== AF_BRIDGE || (flags & NTF_SELF) === 0 || dst === undefined) return undefined;
    // The all-zero address, where a device floods to, is not a row of ours.
    if (lladdr === undefined || !isMac(lladdr)) return undefined;
    const link = table.at(index);
    if (!link) return unknownDevice("fdb", scope, index);
    if (link.type !== "vxlan" || !isOurs(scope, link)) return undefined;
    const dev = table.nameFor(index) ?? link.name;
    const key = `${dev} ${lladdr}`;
    const isGone = message.type === RTM_DELNEIGH || (state & NUD_PERMANENT) === 0;
    if (isGone) return { type: "absent", kind: "fdb", scope, key };
    return { type: "present", row: { kind: "fdb", scope, key, value: { dev, lladdr, dst } } };
  },
  dev: ({ dev }) => dev,
  put: (writer, { lladdr, dst }, index) => addForwarding(writer, index, lladdr, dst),
  remove: (writer, { lladdr }, index) => removeForwarding(writer, index, lladdr),
  done: { put: [], remove: ["ENOENT", "ENODEV"] },
};
