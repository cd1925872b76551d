import type { PublicKey } from "../../src/desired/rows.ts";
import { type Cidr, fromNumber, type Ip, type Mac, macOf, toNumber } from "../../src/model/address.ts";
import { blockName } from "../../src/model/block.ts";
import { keyOf } from "../../src/model/keys.ts";
import type { Client } from "../../src/store/client.ts";
import type { Write } from "../../src/store/transaction.ts";

export const net = "blue";

/** Room for 1,000 hosts of 100 containers each, and for addresses that no block holds. */
const cidr = "10.128.0.0/9" as Cidr;
const blockLength = 25;
const blockSize = 2 ** (32 - blockLength);
const firstBlock = toNumber("10.128.0.0" as Ip);
const firstStray = toNumber("10.200.0.0" as Ip);
const firstUnderlay = toNumber("10.100.0.0" as Ip);

/** Of no host that anybody speaks with. */
export const someKey: PublicKey = `${"o".repeat(42)}A=`;

/** A host that exists in etcd only. */
export interface Peer {
  name: string;
  underlay: Ip;
  /** The agent address. */
  address: Ip;
  mac: Mac;
  block: Cidr;
}

/** The n-th host; its block is the n-th of the network, the first of which nobody has. */
export function peerAt(n: number): Peer {
  const first = firstBlock + (n + 1) * blockSize;
  const address = fromNumber(first + 1);
  const block = `${fromNumber(first)}/${blockLength}` as Cidr;
  return { name: `p${n}`, underlay: fromNumber(firstUnderlay + n + 1), address, mac: macOf(address, "0e"), block };
}

/** An address of nobody's block. */
export function strayAt(n: number): Ip {
  return fromNumber(firstStray + n);
}

export function networkWrite(vni: number): Write {
  const backend = { type: "vxlan", vni };
  return put(keyOf({ type: "network", net }), { cidr, backend, blockLength });
}

/** The same encrypted, with ESP tunnels. */
export function sealedNetworkWrite(): Write {
  return put(keyOf({ type: "network", net }), { cidr, backend: { type: "ipsec" }, blockLength });
}

export function hostWrite({ name, underlay }: Pick<Peer, "name" | "underlay">): Write {
  return put(keyOf({ type: "host", host: name }), { address: underlay });
}

/** One that can be a peer in IKE. */
export function keyedHostWrite({ name, underlay }: Pick<Peer, "name" | "underlay">): Write {
  return put(keyOf({ type: "host", host: name }), { address: underlay, ike: { keys: [someKey] } });
}

export function memberWrites({ name, address, mac, block }: Omit<Peer, "underlay">): Write[] {
  return [
    put(keyOf({ type: "member", net, host: name }), { address, mac }),
    put(keyOf({ type: "block", net, block: blockName(block) }), { host: name }),
  ];
}

export function containerWrite(host: string, id: string, ip: Ip, netns?: string): Write {
  const value = { name: id, ip, ...(netns && { netns }), stack: "bench", service: "web" };
  return put(keyOf({ type: "container", net, host, id }), value);
}

/** What a world of so many hosts, each with so many containers, is declared by. */
export function* worldWrites(hosts: number, containersEach: number): Generator<Write> {
  for (let n = 0; n < hosts; n++) {
    const peer = peerAt(n);
    yield hostWrite(peer);
    yield* memberWrites(peer);
    for (let i = 0; i < containersEach; i++)
      yield containerWrite(peer.name, `c${i}`, fromNumber(toNumber(peer.address) + 1 + i));
  }
}

/** Puts them in transactions of a thousand, one after another. */
export async function write(client: Client, writes: Iterable<Write>): Promise<void> {
  let batch: Write[] = [];
  for (const one of writes) {
    if (batch.push(one) < 1000) continue;
    await transact(client, batch);
    batch = [];
  }
  if (batch.length > 0) await transact(client, batch);
}

/** One transaction of up to 1,024 writes, which the bench's etcd takes and Client.commit, made for any etcd, does not send. */
export async function transact(client: Client, writes: readonly Write[]): Promise<void> {
  await client.etcd.kv.txn({
    compare: [],
    success: writes.map((write) => {
      const key = Buffer.from(client.prefix + write.key);
      if (write.type === "remove") return { request_delete_range: { key } };
      return { request_put: { key, value: Buffer.from(write.value) } };
    }),
    failure: [],
  });
}

function put(key: string, value: object): Write {
  return { type: "put", key, value: JSON.stringify(value) };
}
