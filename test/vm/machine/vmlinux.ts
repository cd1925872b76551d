import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

/**
 * Takes the kernel's ELF image out of a bzImage: `vmlinux.ts BZIMAGE VMLINUX`. By Linux' Documentation/arch/x86/boot.rst,
 * after the boot sector and the setup sectors come `payload_length` compressed octets, at `payload_offset`.
 */
const [bzImage, vmlinux] = process.argv.slice(2) as [string, string];
const image = readFileSync(bzImage);
const setupSectors = image[0x1f1] || 4;
const payloadAt = (1 + setupSectors) * 512 + image.readUInt32LE(0x248);
const payload = image.subarray(payloadAt, payloadAt + image.readUInt32LE(0x24c));
const kernel = decompress(payload);
if (kernel.toString("latin1", 1, 4) !== "ELF")
  throw new Error(`Cannot take the kernel out of ${bzImage}: expected ELF, got ${kernel.toString("hex", 0, 4)}`);
writeFileSync(vmlinux, kernel);

/** What follows the compressed data, the kernel's size, is left alone by all three. */
function decompress(data: Buffer): Buffer {
  const magic = data.toString("hex", 0, 4);
  if (magic.startsWith("1f8b")) return gunzipSync(data.subarray(0, -4));
  if (magic === "28b52ffd") return zstdDecompressSync(data.subarray(0, -4));
  if (magic === "fd377a58") return execFileSync("xz", ["-dc", "--single-stream"], { input: data, maxBuffer: 2 ** 28 });
  throw new Error(`Cannot decompress ${bzImage}: expected gzip, zstd or xz, got data that begin with ${magic}`);
}
