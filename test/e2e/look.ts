import { ping } from "../../src/lab/demo/ping.ts";
import type { Place } from "../../src/lab/place.ts";

/** Which of these addresses answer a ping. */
export async function answering(from: Place, addresses: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(addresses.map((address) => ping(from, address, 1)));
  return addresses.filter((_, i) => answers[i]?.received === 1);
}

/** The first IPv4 address of a device. */
export async function addressOn(place: Pick<Place, "output">, dev: string): Promise<string> {
  const [link] = JSON.parse(await place.output("ip", ["-json", "-4", "address", "show", "dev", dev]));
  return link.addr_info[0].local;
}
