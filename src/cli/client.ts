import type { IncomingMessage } from "node:http";
import type { FaultAnswer } from "../observe/answers.ts";
import { CliError, type ExitCode, exit } from "./exit.ts";

/** Imported by name, node:http brings fetch and WebSocket along: 30 ms and 14 MB, for an agent too. */
const { request } = process.getBuiltinModule("node:http");

/** A question to the agent, as in `GET /v1/status`. @throws CliError where it cannot be reached, or answers with a fault */
export async function ask<Answer>(socket: string, question: string): Promise<Answer> {
  const answer = await send(socket, question);
  return JSON.parse(await textOf(answer, socket)) as Answer;
}

/** The lines of an answer that goes on, until the agent ends it. @throws CliError */
export async function* follow(socket: string, question: string): AsyncGenerator<string> {
  const answer = await send(socket, question);
  let rest = "";
  try {
    for await (const part of answer.setEncoding("utf8")) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (cause) {
    throw unreachable(socket, cause as NodeJS.ErrnoException);
  }
}

async function send(socket: string, question: string): Promise<IncomingMessage> {
  const [method, path] = question.split(" ") as [string, string];
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({ socketPath: socket, method, path }, resolve);
    asked.on("error", (error) => reject(unreachable(socket, error)));
    asked.end();
  });
  if ((answer.statusCode ?? 0) < 400) return answer;
  const { code, message } = faultOf(await textOf(answer, socket));
  throw new CliError(exitCodeOf(answer.statusCode, code), message);
}

async function textOf(answer: IncomingMessage, socket: string): Promise<string> {
  let text = "";
  try {
    for await (const part of answer.setEncoding("utf8")) text += part;
  } catch (cause) {
    throw unreachable(socket, cause as NodeJS.ErrnoException);
  }
  return text;
}

function faultOf(text: string): FaultAnswer {
  try {
    return JSON.parse(text);
  } catch {
    return { code: "UNKNOWN", message: `Cannot read the agent's answer: expected JSON, got ${text.slice(0, 200)}` };
  }
}

function exitCodeOf(status: number | undefined, code: string): ExitCode {
  if (code === "STARTING") return exit.unreachable;
  if (status === 504) return exit.unconverged;
  return status === 400 ? exit.usage : exit.failed;
}

function unreachable(socket: string, error: NodeJS.ErrnoException): CliError {
  const found: Record<string, string> = {
    ENOENT: "no such file. Is `skein agent` running on this host? Another socket is named with --socket",
    ECONNREFUSED: "one that nobody listens on. The agent has ended: start it again",
    EACCES: "no permission to open it. Become root, or a member of the socket's group",
    ECONNRESET: "an answer that breaks off: the agent ended meanwhile",
  };
  const got = found[error.code ?? ""] ?? error.message;
  return new CliError(exit.unreachable, `Cannot reach the agent: expected its socket at ${socket}, got ${got}`, error);
}
