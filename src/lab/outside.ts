import { join } from "node:path";
import { type Ip, ip } from "../model/address.ts";
import { daemonIn } from "./daemon.ts";
import type { Place } from "./place.ts";
import { program } from "./program.ts";
import { appears } from "./socket.ts";
import { ipBatch } from "./wire.ts";

/** The rest of the world, as far as a lab has one: behind the hosts' default gateway, with no way back to any container's address. */
export interface Outside extends Place {
  /** An address on nobody's segment; answers pings. */
  readonly address: Ip;
  /** Starts a web server that answers with the address it is asked from, if it does not run; resolves with its URL. */
  serve(): Promise<string>;
}

/** From a range kept for documentation (RFC 5737), so that it is nobody's. */
const somewhere = ip("203.0.113.1");

export async function openOutside(place: Place, directory: string): Promise<Outside> {
  await ipBatch(place, [`addr add ${somewhere}/32 dev lo`]);
  const socket = join(directory, "echo.sock");
  const daemon = daemonIn(place, {
    title: "the web server outside",
    command: [...program("lab/echo"), somewhere, "80", socket],
    log: join(directory, "echo.log"),
    socket,
  });
  return {
    ...place,
    address: somewhere,
    async serve() {
      await daemon.start();
      await daemon.whileRunning((signal) => appears(socket, signal));
      return `http://${somewhere}/`;
    },
  };
}
