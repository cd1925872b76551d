import { Etcd3, type IOptions } from "etcd3";
import type { FailureCode } from "./failure.ts";

/** The part of grpc.Metadata that is needed; etcd3 makes the object. */
interface Metadata {
  set(key: string, value: string): void;
}

interface Authenticator {
  getMetadata(): Promise<Metadata>;
  invalidateMetadata(): void;
}

/** What a client must be told when its token was refused, and at its end. */
export interface SignIn {
  /** After a refusal: the next call takes a new token. @returns false when that is no use */
  renew(code: FailureCode): boolean;
  close(): void;
}

/**
 * Puts `hasleader` and our token on every call of `etcd`.
 *
 * - `hasleader` makes a member that lost its cluster end our watches (after some 4.5 s) and refuse calls, instead of
 *   staying silent. etcd3 has no option for metadata, so its authenticator is replaced.
 * - etcd3's own authenticator dials a channel for every token, without our channel options, and never closes it. Ours asks
 *   through a second client that carries no token.
 */
export function signIn(etcd: Etcd3, options: IOptions, user?: { name: string; password: string }): SignIn {
  const pool = (etcd as unknown as { pool: { authenticator: Authenticator } }).pool;
  const plain = pool.authenticator;
  const door = user && new Etcd3(options);
  let token: Promise<string | undefined> | undefined;
  let asking = false;
  let tokenless = false;

  const ask = async (): Promise<string | undefined> => {
    if (!door || !user) return undefined;
    asking = true;
    try {
      const { token } = await door.auth.authenticate({ name: user.name, password: user.password });
      tokenless = false;
      return token;
    } catch (error) {
      // A store without authentication takes calls without a token; once it is switched on it refuses them, and we ask again.
      tokenless = error instanceof Error && error.message.includes("authentication is not enabled");
      if (tokenless) return undefined;
      token = undefined;
      throw error;
    } finally {
      asking = false;
    }
  };
  const renew = () => {
    // Calls that failed together share the one new token: each costs etcd a bcrypt round.
    if (!asking) token = undefined;
  };
  pool.authenticator = {
    async getMetadata() {
      const metadata = await plain.getMetadata();
      metadata.set("hasleader", "true");
      if (user) {
        token ??= ask();
        const text = await token;
        if (text !== undefined) metadata.set("token", text);
      }
      return metadata;
    },
    invalidateMetadata: renew,
  };
  return {
    renew(code) {
      // Without a token a refusal says nothing: we may have been taken for the user our certificate names.
      const useful = user !== undefined && (code === "unauthenticated" || (code === "denied" && tokenless));
      if (useful) renew();
      return useful;
    },
    close: () => door?.close(),
  };
}
