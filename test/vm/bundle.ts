import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type Plugin, rolldown } from "rolldown";

const checkout = join(import.meta.dirname, "../..");

/** What is started by its path, each as a process or thread of its own. */
const programs = ["src/bin.ts", "src/kernel/worker.ts", "src/dns/worker.ts", "src/lab/echo.ts", "src/lab/demo.ts"];

/**
 * What Node is told in the machine: to interpret. Code that it compiles runs once or twice there, and is first translated
 * by QEMU, which costs more than it saves.
 */
const flags = ["--no-opt", "--no-maglev", "--no-sparkplug"];

/**
 * The project's programs and some modules of it as JavaScript, with all packages in them, each at the path that it has in
 * the checkout: for a machine where all that Node does takes twenty times as long, and opening a file ten times.
 *
 * Measured there, with other work on the machine, in seconds:
 *
 *     node -e 0                                        0.5 to 0.9, the first time 3.6
 *     skein --version     by type stripping            7.2, the first time 12.5
 *                         bundled                      1.0, the first time 1.3
 *     an agent's modules  bundled                      6.0
 *                         and compiled before          3.5
 *     an agent's start    bundled                      45
 *                         and interpreted              36
 *                         and compiled before          20
 */
export interface Bundle {
  /** Removed at the end. */
  readonly directory: string;
  /** The command line of a module of the checkout. */
  command(module: string): [string, ...string[]];
  /** For its environment: where Node finds what it compiled before. */
  readonly cache: string;
  remove(): Promise<void>;
}

export async function bundle(modules: readonly string[]): Promise<Bundle> {
  const directory = await mkdtemp(join(tmpdir(), "skein-bundle-"));
  const remove = () => rm(directory, { recursive: true });
  const cache = join(directory, "compiled");
  const command = (module: string): [string, ...string[]] => [
    process.execPath,
    ...flags,
    join(directory, `${extensionless(module)}.js`),
  ];
  try {
    await write([...programs, "test/vm/warm.ts", ...modules], directory);
    const [node, ...args] = command("test/vm/warm.ts");
    await promisify(execFile)(node, args, { env: { ...process.env, NODE_COMPILE_CACHE: cache } });
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, cache, command, remove };
}

async function write(modules: readonly string[], directory: string): Promise<void> {
  const bundled = await rolldown({
    input: Object.fromEntries(modules.map((path) => [extensionless(path), join(checkout, path)])),
    cwd: checkout,
    platform: "node",
    external: ["koffi"], // finds its shared library by where it is itself
    resolve: { alias: { vitest: join(import.meta.dirname, "vitest.ts") } },
    plugins: [keepPlaces(directory)],
    onLog: (level, log) => {
      if (level !== "info") throw new Error(`Cannot bundle: ${log.message}`);
    },
  });
  await bundled.write({ dir: directory, entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" });
  await copyFile(join(checkout, "package.json"), join(directory, "package.json"));
  for (const folder of ["node_modules", "deploy"]) await symlink(join(checkout, folder), join(directory, folder));
}

/** Modules find others and files by their own place. That is kept, although they end up in chunks that have another. */
function keepPlaces(directory: string): Plugin {
  return {
    name: "keep places",
    transform(code, id) {
      if (!isAbsolute(id)) return; // the bundler's own
      // Packages stay where they are, and none but CommonJS ones look for their place: etcd3 for its .proto files.
      if (id.includes("/node_modules/")) return code.replace(/\b__dirname\b/g, JSON.stringify(dirname(id)));
      const file = join(directory, `${extensionless(relative(checkout, id))}.js`);
      return code
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(file)))
        .replaceAll("import.meta.filename", JSON.stringify(file))
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(file).href))
        .replaceAll("import.meta.main", `(process.argv[1] === ${JSON.stringify(file)})`);
    },
  };
}

function extensionless(path: string): string {
  return path.replace(/\.ts$/, "");
}
