import { closeSync, writeSync } from "node:fs";
import koffi from "koffi";
import type { NftReply } from "./kernel.ts";
import { writerName } from "./nft-mark.ts";

/** A libnftables context; its netlink socket belongs to the namespace it was opened in. */
export interface NftContext {
  /** Synchronous; one command buffer is one transaction. Errors begin with the line of the command: `<path>:3:1-20: Error: …`. */
  run(commands: string, json: boolean): NftReply;
  close(): void;
}

/** NFT_CTX_OUTPUT_* of libnftables.h: no counters in listings, so that two of the same rules are equal. */
const output = { stateless: 1 << 2, handle: 1 << 3, json: 1 << 4 } as const;
/** PR_SET_NAME of prctl(2). */
const setName = 15;
/** MFD_CLOEXEC of memfd_create(2). */
const closeOnExec = 1;

/** Loads the library once a thread, and names that; each call of the result makes a context in its present namespace. */
export function loadNft(): () => NftContext {
  const libc = koffi.load("libc.so.6");
  const memfd = libc.func("int memfd_create(const char *name, unsigned int flags)");
  libc.func("int prctl(int option, const char *name)")(setName, writerName);

  const library = koffi.load("libnftables.so.1");
  const create = library.func("void *nft_ctx_new(uint32_t flags)");
  const free = library.func("void nft_ctx_free(void *ctx)");
  const bufferOutput = library.func("int nft_ctx_buffer_output(void *ctx)");
  const bufferError = library.func("int nft_ctx_buffer_error(void *ctx)");
  const setFlags = library.func("void nft_ctx_output_set_flags(void *ctx, unsigned int flags)");
  const runFile = library.func("int nft_run_cmd_from_filename(void *ctx, const char *path)");
  const readOutput = library.func("const char *nft_ctx_get_output_buffer(void *ctx)");
  const readError = library.func("const char *nft_ctx_get_error_buffer(void *ctx)");

  return () => {
    const context: unknown = create(0);
    bufferOutput(context);
    bufferError(context);
    return {
      run(commands, json) {
        // A file, since of a buffer nft 1.0.6 quotes the first line with every error, whichever is wrong.
        const file: number = memfd("nft", closeOnExec);
        try {
          writeSync(file, `${commands}\n`);
          setFlags(context, json ? output.json | output.handle | output.stateless : 0);
          const status: number = runFile(context, `/proc/self/fd/${file}`);
          // Both are read every time: reading is what empties them.
          return { status, output: String(readOutput(context) ?? ""), error: String(readError(context) ?? "") };
        } finally {
          closeSync(file);
        }
      },
      close: () => free(context),
    };
  };
}
