import { answer } from "./answer.ts";
import { chase } from "./chase.ts";
import type { ZoneNews } from "./facts.ts";
import type { Forwarder } from "./forward.ts";
import { flag, rcode } from "./protocol.ts";
import type { Query } from "./query.ts";
import { emptyAnswer, limitOf, type Transport, truncated } from "./response.ts";
import { closeUnused, openSockets } from "./sockets.ts";
import type { Upstream } from "./upstreams.ts";
import { Zone } from "./zone.ts";

export interface ServerOptions {
  forwarder: Forwarder;
  /** The host's name servers. */
  upstreams(): readonly Upstream[];
  /** Takes in what the agent has told and nobody heard yet. */
  catchUp(): void;
}

/** Answers for every network of this host, each by sockets and names of its own. */
export interface NameServer {
  take(news: ZoneNews): void;
  /** What a client of the network would be sent; for a network that is not there, nothing. */
  serve(net: string, message: Buffer, transport: Transport): Buffer | undefined | Promise<Buffer | undefined>;
  close(): void;
}

export function createServer({ forwarder, upstreams, catchUp }: ServerOptions): NameServer {
  const zones = new Map<string, Zone>();
  const sockets = new Map<string, { close(): void }>();
  let domains: ReadonlySet<string> = new Set();

  function take(news: ZoneNews): void {
    switch (news.type) {
      case "domains":
        domains = new Set(news.domains);
        return;
      case "zone": {
        const zone = zones.get(news.net);
        if (zone) zone.settings = news.settings;
        else zones.set(news.net, new Zone(news.settings));
        return;
      }
      case "names":
        for (const [address, owner] of news.owners) zones.get(news.net)?.own(address, owner);
        return;
      case "service":
        zones.get(news.net)?.declare(news.stack, news.service, news.record);
        return;
      case "drop":
        zones.delete(news.net);
        deafen(news.net);
        return;
      case "deafen":
        deafen(news.net);
        return;
      case "listen": {
        const { net, udp, tcp } = news;
        deafen(net);
        if (zones.has(net))
          sockets.set(
            net,
            openSockets(udp, tcp, (...asked) => serve(net, ...asked)),
          );
        else closeUnused(udp, tcp);
        return;
      }
    }
  }

  function deafen(net: string): void {
    sockets.get(net)?.close();
    sockets.delete(net);
  }

  function serve(net: string, message: Buffer, transport: Transport) {
    // What the agent knew when the question came, the answer knows.
    catchUp();
    const zone = zones.get(net);
    if (zone === undefined) return undefined;
    const verdict = answer(message, { zone, domains, transport, random: Math.random });
    switch (verdict.type) {
      case "reply":
        return verdict.message;
      case "silence":
        return undefined;
      case "forward":
        return forward(verdict.query, zone, transport);
      case "chase": {
        const { query, aliases } = verdict;
        return chase(query, aliases, transport, zone.settings.ttl, (asked, end) =>
          forwarder.ask(asked, end, upstreamsOf(zone), "tcp"),
        );
      }
    }
  }

  async function forward(query: Query, zone: Zone, transport: Transport): Promise<Buffer> {
    const given = await forwarder.ask(query.message, query.end, upstreamsOf(zone), transport);
    if (given === undefined) return emptyAnswer(query, rcode.SERVFAIL, flag.RA);
    return given.length > limitOf(query, transport) ? truncated(query, given) : given;
  }

  function upstreamsOf({ settings }: Zone): readonly Upstream[] {
    if (settings.upstreams === undefined) return upstreams();
    return settings.upstreams === "none" ? [] : settings.upstreams.map((address) => ({ address, port: 53 }));
  }

  return {
    take,
    serve,
    close() {
      for (const net of [...sockets.keys()]) deafen(net);
    },
  };
}
