import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, type Mock, vi } from "vitest";
import { type Api, openApi } from "../../src/observe/api.ts";
import type { AgentView } from "../../src/observe/view.ts";

/** The API of a view on a socket of its own, for each test of a file. */
export interface Serving {
  readonly directory: string;
  /** Below a directory that is not there yet. */
  readonly path: string;
  readonly left: Mock<() => void>;
  serve(view?: AgentView): Promise<Api>;
  ask(question: string): Promise<{ status: number | undefined; body: unknown }>;
}

export function serving(): Serving {
  let directory = "";
  let api: Api | undefined;
  const left = vi.fn<() => void>();

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "skein-api-"));
  });
  afterEach(async () => {
    await api?.close();
    api = undefined;
    left.mockReset();
    rmSync(directory, { recursive: true });
  });

  return {
    get directory() {
      return directory;
    },
    get path() {
      return join(directory, "run", "agent.sock");
    },
    left,
    async serve(view) {
      api = await openApi({ path: this.path, left });
      if (view) api.present(view);
      return api;
    },
    async ask(question) {
      const [method, path] = question.split(" ") as [string, string];
      const asked = request({ socketPath: this.path, method, path, agent: false }).end();
      const [response] = await once(asked, "response");
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      return { status: response.statusCode, body: JSON.parse(text) };
    },
  };
}
