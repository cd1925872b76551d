import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type KeyStore, keyStore, readSecret } from "../../src/ike/keys.ts";
import { publicKeyOf, spkiOf } from "../../src/ike/public-key.ts";

let state: string;
let store: KeyStore;

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "skein-keys-"));
  store = keyStore(state);
});
afterEach(() => rm(state, { recursive: true }));

const file = (name: string) => join(state, "ike", name);
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test("the first start makes a key that nobody else can read, and every later one finds it", async () => {
  const umask = process.umask(0);
  const key = await store.own();
  process.umask(umask);
  expect(await modeOf(file("own.pem"))).toBe("600");
  expect(await modeOf(file(""))).toBe("700");
  expect(await readdir(file(""))).toEqual(["own.pem"]);
  expect(publicKeyOf(await keyStore(state).own())).toBe(publicKeyOf(key));
});

test("a public key is 32 octets in base64, and is the same in DER", async () => {
  const key = publicKeyOf(await store.own());
  expect(Buffer.from(key, "base64")).toHaveLength(32);
  const fromDer = createPublicKey({ key: spkiOf(key), format: "der", type: "spki" });
  expect(publicKeyOf(fromDer)).toBe(key);
  expect(fromDer.asymmetricKeyType).toBe("ed25519");
});

test.each(["", "AAAA", "not base64 at all", `${"A".repeat(42)}E`])("%j is no public key", (text) => {
  expect(() => spkiOf(text)).toThrow(`Cannot use public key: expected 32 octets in base64, got "${text}"`);
});

test("the next key lies beside the own one until it is promoted", async () => {
  const own = publicKeyOf(await store.own());
  expect(await store.next()).toBeUndefined();
  const next = publicKeyOf(await store.prepare());
  expect(next).not.toBe(own);
  // A rotation that was interrupted goes on with the same key.
  expect(publicKeyOf(await store.prepare())).toBe(next);
  expect(publicKeyOf(await store.own())).toBe(own);
  await store.promote(await store.prepare());
  expect(publicKeyOf(await store.own())).toBe(next);
  expect(await store.next()).toBeUndefined();
});

test("a promotion that failed after its file was moved can be tried again; one of a key that is nowhere cannot", async () => {
  const own = await store.own();
  const next = await store.prepare();
  await store.promote(next);
  await store.promote(next);
  expect((await store.own()).equals(next)).toBe(true);
  await expect(store.promote(own)).rejects.toThrow("expected the key that is to follow, got no file");
});

test("a key that others can read is not used, and is left as it is", async () => {
  await store.own();
  await chmod(file("own.pem"), 0o640);
  const before = await readFile(file("own.pem"), "utf8");
  await expect(store.own()).rejects.toThrow(
    `Cannot use ${file("own.pem")}: expected nobody but its owner to have access (mode 0600), got mode 0640`,
  );
  expect(await readFile(file("own.pem"), "utf8")).toBe(before);
});

test("a file that holds no key is not used, and is left as it is", async () => {
  await store.own();
  const whole = await readFile(file("own.pem"), "utf8");
  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type: "pkcs8", format: "pem" });
  const wrong = {
    "": "none that can be read",
    [whole.slice(0, 60)]: "none that can be read",
    [rsa as string]: "one of type rsa",
  };
  for (const [text, got] of Object.entries(wrong)) {
    await writeFile(file("own.pem"), text);
    await expect(store.own()).rejects.toThrow(`expected an Ed25519 private key in PEM, got ${got}`);
    expect(await readFile(file("own.pem"), "utf8")).toBe(text);
  }
});

test("a secret is what is in its file without white space around it", async () => {
  const secret = join(state, "psk");
  await expect(readSecret(secret)).rejects.toThrow("expected the secret of all hosts, got no file");
  await writeFile(secret, "\n", { mode: 0o600 });
  await expect(readSecret(secret)).rejects.toThrow("got an empty file");
  await writeFile(secret, " two words \r\n");
  expect(Buffer.from(await readSecret(secret)).toString()).toBe("two words");
  await chmod(secret, 0o604);
  await expect(readSecret(secret)).rejects.toThrow("mode 0604");
  await expect(readSecret(state)).rejects.toThrow("expected a file, got something else");
});
