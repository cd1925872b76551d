import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { chmod, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** Where a host keeps what it proves itself by, below its state directory. */
export interface KeyStore {
  /** The key in use; made where there is none. */
  own(): Promise<KeyObject>;
  /** The one that is to follow it; undefined where no rotation is under way. */
  next(): Promise<KeyObject | undefined>;
  /** Makes the one that is to follow, or answers the one that is there. */
  prepare(): Promise<KeyObject>;
  /** The next, which is `key`, becomes the own, in one step; the own before it is gone. Can be tried again where it failed. */
  promote(key: KeyObject): Promise<void>;
}

/**
 * Ed25519 keys in PEM, in files that nobody else can read. @throws KeyFileError where a file is not as we would write it:
 * it is neither mended nor replaced, since the key may be the one that peers have.
 */
export function keyStore(stateDirectory: string): KeyStore {
  const directory = join(stateDirectory, "ike");
  const ownFile = join(directory, "own.pem");
  const nextFile = join(directory, "next.pem");

  return {
    own: () => readOrMake(ownFile),
    next: () => readKey(nextFile),
    prepare: () => readOrMake(nextFile),
    async promote(key) {
      const next = await readKey(nextFile);
      // Moved already, by a try that failed after that.
      const isMoved = next === undefined && (await readKey(ownFile))?.equals(key);
      if (next) await rename(nextFile, ownFile);
      else if (!isMoved) throw new KeyFileError(nextFile, "the key that is to follow", "no file");
      await sync(directory);
    },
  };

  async function readOrMake(file: string): Promise<KeyObject> {
    const found = await readKey(file);
    if (found) return found;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Whatever the umask, and where it was there before.
    await chmod(directory, 0o700);
    const { privateKey } = generateKeyPairSync("ed25519");
    await writeWhole(file, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
    await sync(directory);
    return privateKey;
  }
}

/** A file of a secret that cannot be used as it is. */
export class KeyFileError extends Error {
  readonly file: string;

  constructor(file: string, expected: string, got: string, cause?: unknown) {
    super(`Cannot use ${file}: expected ${expected}, got ${got}`, { cause });
    this.name = "KeyFileError";
    this.file = file;
  }
}

/** The secret that all hosts have, without white space around it: editors end files in a line break. @throws KeyFileError */
export async function readSecret(file: string): Promise<Uint8Array> {
  const text = await readPrivate(file);
  const secret = text?.trim() ?? "";
  if (text === undefined) throw new KeyFileError(file, "the secret of all hosts", "no file");
  if (secret === "") throw new KeyFileError(file, "the secret of all hosts", "an empty file");
  return Buffer.from(secret);
}

async function readKey(file: string): Promise<KeyObject | undefined> {
  const text = await readPrivate(file);
  if (text === undefined) return undefined;
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw new KeyFileError(file, "an Ed25519 private key in PEM", "none that can be read", error);
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new KeyFileError(file, "an Ed25519 private key in PEM", `one of type ${key.asymmetricKeyType}`);
}

/** Undefined where there is no file. */
async function readPrivate(file: string): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new KeyFileError(file, "a file that can be read", code ?? message, error);
  }
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new KeyFileError(file, "a file", "something else");
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    if ((found.mode & 0o077) !== 0)
      throw new KeyFileError(file, "nobody but its owner to have access (mode 0600)", `mode ${mode}`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** All of it or nothing, also after a power cut. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString("hex")}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
