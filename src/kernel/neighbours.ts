import { mark } from "../desired/rows.ts";
import { AF_INET, NUD_PERMANENT, RTM_DELNEIGH } from "./netlink/constants.ts";
import { addNeighbour, dumpNeighbours, readNeighbour, removeNeighbour } from "./netlink/neighbour-messages.ts";
import { type RowCodec, unknownDevice } from "./row-codec.ts";

/** Permanent ARP entries with our protocol number; what the kernel learns by itself is none of ours. */
export const neighbours: RowCodec<"neighbour"> = {
  kind: "neighbour",
  dump: () => dumpNeighbours(AF_INET),
  read(message, table) {
    const { scope } = table;
    const { family, index, state, dst: ip, lladdr, protocol } = readNeighbour(message);
    if (family !== AF_INET || protocol !== mark.protocol || ip === undefined) return undefined;
    const dev = table.nameFor(index);
    if (dev === undefined) return unknownDevice("neighbour", scope, index);
    const key = `${dev} ${ip}`;
    // Somebody's `ip neigh del` first makes it FAILED, `ip neigh change` may make it mortal: either way ours is gone.
    const isGone = message.type === RTM_DELNEIGH || (state & NUD_PERMANENT) === 0 || lladdr === undefined;
    if (isGone) return { type: "absent", kind: "neighbour", scope, key };
    return { type: "present", row: { kind: "neighbour", scope, key, value: { dev, ip, lladdr } } };
  },
  dev: ({ dev }) => dev,
  put: (writer, { ip, lladdr }, index) => addNeighbour(writer, index, ip, lladdr),
  remove: (writer, { ip }, index) => removeNeighbour(writer, index, ip),
  done: { put: [], remove: ["ENOENT", "ENODEV"] },
};
