import { once } from "node:events";
import { createServer, type Socket, connect as tcpConnect } from "node:net";

/** A TCP line to etcd that can be cut or go dead. */
export interface Line {
  readonly endpoint: string;
  /** Ends every connection now. */
  cut(): void;
  /** Ends each connection once etcd has sent so many bytes over it; `undefined` mends. */
  cutAfter(bytes: number | undefined): void;
  /** Nothing passes on the connections that stand, and nothing ends: a peer behind a router that forgot the connection. */
  freeze(): void;
  /** New connections go there. */
  lead(endpoint: string): void;
  /** How many connections have been made. */
  readonly connections: number;
  end(): Promise<void>;
}

export async function proxyTo(endpoint: string): Promise<Line> {
  let target = new URL(endpoint);
  const pairs = new Set<[Socket, Socket]>();
  let limit: number | undefined;
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = tcpConnect(Number(target.port), target.hostname);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    let passed = 0;
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => {
      const rest = limit === undefined ? data.length : limit - passed;
      passed += data.length;
      near.write(data.subarray(0, Math.max(0, rest)));
      if (rest < data.length) near.end(end);
    });
    for (const socket of pair) socket.on("error", end).on("close", end);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Cannot start a proxy: expected an address");
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    cut,
    cutAfter(bytes) {
      limit = bytes;
    },
    freeze() {
      for (const pair of pairs) {
        for (const socket of pair) {
          socket.pause();
          socket.removeAllListeners("data");
        }
      }
    },
    lead(elsewhere) {
      target = new URL(elsewhere);
    },
    get connections() {
      return connections;
    },
    async end() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
