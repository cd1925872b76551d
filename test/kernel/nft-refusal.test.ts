import { expect, test } from "vitest";
import { refusal } from "../../src/kernel/nft-refusal.ts";

const what = "add guard host inet chain forward";

test.each([
  ["Could not process rule: No such file or directory", "ENOENT"],
  ["No such file or directory; did you mean set ‘eps’ in table inet ‘skein’?", "ENOENT"],
  ["Could not process rule: Device or resource busy", "EBUSY"],
  ["syntax error, unexpected fwd, expecting string", "NFT_SYNTAX"],
  ["conflicting protocols specified: tcp vs. udp", "NFT_REFUSED"],
])("%s is %s", (words, code) => {
  const error = `/proc/self/fd/22:4:30-32: Error: ${words}\nadd rule inet skein forward tcp foo 3\n     ^^^\n`;
  expect(refusal(error, what)).toMatchObject({ code, next: "retry" });
});

test("the message quotes the command that is to blame", () => {
  const error = "/x:4:30-32: Error: syntax error\nadd rule inet skein forward tcp foo 3\n     ^^^\n";
  expect(refusal(error, what).message).toBe(
    'Cannot add guard host inet chain forward: expected nft to take "add rule inet skein forward tcp foo 3", got "syntax error"',
  );
});

test("an error without a place is quoted as it is", () => {
  expect(refusal("netlink: Error: cache initialization failed: Operation not permitted\n", what)).toMatchObject({
    code: "EPERM",
  });
  expect(refusal("out of luck\n", what).message).toContain('got "out of luck"');
});
