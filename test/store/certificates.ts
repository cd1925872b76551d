import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Paths of PEM files: an authority, a server of 127.0.0.1 and a client. */
export interface Certificates {
  directory: string;
  ca: string;
  server: string;
  serverKey: string;
  client: string;
  clientKey: string;
}

export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), `skein-certificates-${process.pid}-`));
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
  );
  for (const [name, usage] of [
    ["server", "serverAuth"],
    ["client", "clientAuth"],
  ] as const) {
    writeFileSync(at(`${name}.ext`), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`);
    openssl("req", ...newKey, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`), "-subj", `/CN=${name}`);
    const by = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2"];
    openssl("x509", "-req", "-in", at(`${name}.csr`), ...by, "-extfile", at(`${name}.ext`), "-out", at(`${name}.pem`));
  }
  return {
    directory,
    ca: at("ca.pem"),
    server: at("server.pem"),
    serverKey: at("server.key"),
    client: at("client.pem"),
    clientKey: at("client.key"),
  };
}

export function removeCertificates({ directory }: Certificates): void {
  rmSync(directory, { recursive: true });
}
