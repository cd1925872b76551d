/** What the demo says: to people as it goes, to programs as one document at its end. */
export interface Teller {
  scene(title: string): void;
  /** A remark, or the output of a tool, indented. */
  show(text: string): void;
  table(columns: readonly string[], rows: readonly (readonly string[])[]): void;
  /** A claim and what was found; a claim that does not hold makes the demo fail. */
  claim(what: string, holds: boolean, found: string): void;
  /** Prints the end. @returns whether every claim held */
  end(seconds: number): boolean;
}

interface Scene {
  title: string;
  shown: string[];
  tables: { columns: readonly string[]; rows: readonly (readonly string[])[] }[];
  claims: { what: string; holds: boolean; found: string }[];
}

export function createTeller({ json }: { json: boolean }): Teller {
  const scenes: Scene[] = [];
  const print = json ? () => {} : (text: string) => console.log(text);

  function current(): Scene {
    const scene = scenes.at(-1);
    if (scene) return scene;
    throw new Error("Cannot tell: expected a scene to have begun");
  }

  return {
    scene(title) {
      scenes.push({ title, shown: [], tables: [], claims: [] });
      print(`\n${scenes.length}. ${title}`);
    },
    show(text) {
      current().shown.push(text);
      print(text.replace(/^/gm, "   "));
    },
    table(columns, rows) {
      current().tables.push({ columns, rows });
      const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i]?.length ?? 0)));
      const line = (cells: readonly string[]) =>
        cells
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("  ")
          .trimEnd();
      print([columns, ...rows].map((row) => `   ${line(row)}`).join("\n"));
    },
    claim(what, holds, found) {
      current().claims.push({ what, holds, found });
      print(`   ${holds ? "✓" : "✗"} ${what}: ${found}`);
    },
    end(seconds) {
      const claims = scenes.flatMap((scene) => scene.claims);
      const broken = claims.filter(({ holds }) => !holds);
      const ok = claims.length > 0 && broken.length === 0;
      if (json) console.log(JSON.stringify({ ok, seconds, scenes }, null, 2));
      print(`\n${claims.length - broken.length} of ${claims.length} claims hold, in ${seconds.toFixed(1)} s.`);
      for (const { what, found } of broken) print(`✗ ${what}: ${found}`);
      return ok;
    },
  };
}
