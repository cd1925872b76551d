import koffi from "koffi";
import type { NftReply } from "./kernel.ts";

/** A libnftables context; its netlink socket belongs to the namespace it was opened in. */
export interface NftContext {
  /** Synchronous; one command buffer is one transaction. */
  run(commands: string, json: boolean): NftReply;
  close(): void;
}

/** NFT_CTX_OUTPUT_JSON of libnftables.h. */
const outputJson = 1 << 4;

/** Loads the library once a thread; each call of the result makes a context in the thread's present namespace. */
export function loadNft(): () => NftContext {
  const library = koffi.load("libnftables.so.1");
  const create = library.func("void *nft_ctx_new(uint32_t flags)");
  const free = library.func("void nft_ctx_free(void *ctx)");
  const bufferOutput = library.func("int nft_ctx_buffer_output(void *ctx)");
  const bufferError = library.func("int nft_ctx_buffer_error(void *ctx)");
  const setFlags = library.func("void nft_ctx_output_set_flags(void *ctx, unsigned int flags)");
  const run = library.func("int nft_run_cmd_from_buffer(void *ctx, const char *buf)");
  const output = library.func("const char *nft_ctx_get_output_buffer(void *ctx)");
  const error = library.func("const char *nft_ctx_get_error_buffer(void *ctx)");
  return () => {
    const context: unknown = create(0);
    bufferOutput(context);
    bufferError(context);
    return {
      run(commands, json) {
        setFlags(context, json ? outputJson : 0);
        const status: number = run(context, commands);
        // Both are read every time: reading is what empties them.
        return { status, output: String(output(context) ?? ""), error: String(error(context) ?? "") };
      },
      close: () => free(context),
    };
  };
}
