import type { Failure } from "../reconcile/kind.ts";

/** What libnftables says in words of strerror(3), which it gives no number for. */
const codes: Readonly<Record<string, string>> = {
  "No such file or directory": "ENOENT",
  "File exists": "EEXIST",
  "Device or resource busy": "EBUSY",
  "Operation not supported": "EOPNOTSUPP",
  "Operation not permitted": "EPERM",
  "Invalid argument": "EINVAL",
  "Numerical result out of range": "ERANGE",
  "Too many open files in system": "ENFILE",
  "Cannot allocate memory": "ENOMEM",
};

/** `<path>:3:1-20: Error: words`, then the line of the command. */
const refusalText = /Error: (?:Could not process rule: )?(.*)(?:\n(.*))?/;

/**
 * Why nft refused a transaction. `what` reads after "Cannot": `add guard inet chain forward in host`. `retry`, since
 * what is missing or in use may be of another batch.
 */
export function refusal(error: string, what: string): Failure {
  const [, words = error.trim(), command = "nothing"] = refusalText.exec(error) ?? [];
  const code = Object.entries(codes).find(([text]) => words.includes(text))?.[1];
  return {
    code: code ?? (words.startsWith("syntax error") ? "NFT_SYNTAX" : "NFT_REFUSED"),
    message: `Cannot ${what}: expected nft to take "${command.trim()}", got "${words}"`,
    next: "retry",
  };
}
