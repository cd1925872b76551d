import type { Command } from "commander";
import type { PlanAnswer, PlanOperation } from "../observe/answers.ts";
import { ask } from "./client.ts";
import { CliError, exit } from "./exit.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

export function addPlan(program: Command): void {
  program
    .command("plan")
    .summary("what the agent would change on this host now, row by row, and why")
    .description(
      "What the agent would change on this host now, and what it holds back, row by row (+ add, ~ replace, - remove) with\n" +
        "the records each row follows from. On a converged host there is nothing.",
    )
    .option("--json", "print it as data")
    .option("--exit-code", `exit with ${exit.unconverged} where there is something to change`)
    .action(async ({ json, exitCode }, command) => {
      const terminal = terminalOf(command);
      const plan = await ask<PlanAnswer>(terminal.socket, "GET /v1/plan");
      if (json) terminal.json(plan);
      else terminal.print(planText(plan, terminal));
      const { length } = plan.operations;
      if (exitCode && length > 0)
        throw new CliError(
          exit.unconverged,
          `Cannot call ${plan.host} converged: expected an empty plan, got ${length}`,
        );
    });
}

export function planText({ host, operations }: PlanAnswer, { paint }: Pick<Terminal, "paint">): string {
  if (operations.length === 0) return `Nothing to change on ${host}.`;
  const count = (verb: PlanOperation["verb"]) => operations.filter((operation) => operation.verb === verb).length;
  return [
    ...operations.flatMap((operation) => operationLines(operation, paint)),
    "",
    `Plan for ${host}: ${count("add")} to add, ${count("replace")} to replace, ${count("remove")} to remove.`,
  ].join("\n");
}

const signs = {
  add: ["green", "+"],
  replace: ["yellow", "~"],
  remove: ["red", "-"],
} as const satisfies Record<PlanOperation["verb"], unknown>;

function operationLines({ verb, text, was, because, held }: PlanOperation, paint: Terminal["paint"]): string[] {
  const [colour, sign] = signs[verb];
  const reason = because.length > 0 ? `because ${because.join(", ")}` : "since no record asks for it";
  return [
    paint(colour, `${sign} ${text}`),
    ...(was === undefined ? [] : [`    was ${was}`]),
    paint("dim", `    ${reason}`),
    ...(held === undefined ? [] : [paint("yellow", `    held: ${held}`)]),
  ];
}
