import { closeSync, mkdirSync, openSync, readdirSync, statfsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { checked, type Libc } from "./libc.ts";
import { namedNamespaces, namespacePath } from "./namespace-names.ts";
import type { NamespaceWindow } from "./namespace-window.ts";

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const MNT_DETACH = 2;
const nsfsMagic = 0x6e736673;

/** Whether the path is a namespace, of whatever type, and not the empty file a namespace was mounted on. */
export function isNamespaceFile(path: string): boolean {
  try {
    return statfsSync(path).type === nsfsMagic;
  } catch {
    // Gone, or hidden from us: no namespace either way.
    return false;
  }
}

export function listNamespaceFiles(): string[] {
  try {
    return readdirSync(namedNamespaces).filter((name) => isNamespaceFile(join(namedNamespaces, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Makes the namespace and mounts it by name; `prepare` runs inside. False when it was there already. */
export function createNamespaceFile(libc: Libc, window: NamespaceWindow, name: string, prepare: () => void): boolean {
  const path = namespacePath(name);
  if (isNamespaceFile(path)) return false;
  shareDirectory(libc);
  // The file may be there without a mount: a crash between the two, or a reboot that kept /run.
  closeSync(openSync(path, "a", 0o444));
  window.insideNew(() => {
    // Prepared first: what is found mounted after a crash is taken for complete.
    prepare();
    checked(libc.mount("/proc/thread-self/ns/net", path, "none", MS_BIND, null), `mount namespace on ${path}`);
  });
  return true;
}

/** False when it was gone already. */
export function deleteNamespaceFile(libc: Libc, name: string): boolean {
  const path = namespacePath(name);
  // Fails with EINVAL for a file without a mount, which the unlink then takes away all the same.
  libc.umount2(path, MNT_DETACH);
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** As iproute2 does: a shared mount, so that a namespace made here is seen, and its end too, in other mount namespaces. */
function shareDirectory(libc: Libc): void {
  mkdirSync(namedNamespaces, { recursive: true, mode: 0o755 });
  if (libc.mount("", namedNamespaces, "none", MS_SHARED | MS_REC, null) === 0) return;
  checked(libc.mount(namedNamespaces, namedNamespaces, "none", MS_BIND | MS_REC, null), `mount ${namedNamespaces}`);
  checked(libc.mount("", namedNamespaces, "none", MS_SHARED | MS_REC, null), `share ${namedNamespaces}`);
}
