import { type ErrorCode, SandgateError } from '../errors.ts';

const TOKEN = /[0-9a-f]{64}/i;
const ALL_TOKENS = new RegExp(TOKEN, 'gi');

/** What a command says of an id that it does not know, or takes for none. */
const ABOUT_IDS: readonly ErrorCode[] = ['TOKEN_UNKNOWN', 'SANDBOX_UNKNOWN', 'REQUEST_INVALID'];

/** The same error with what to do instead, where an argument holds what looks like a token; it is never repeated. */
export function withTokenHint(thrown: unknown, args: readonly string[]): unknown {
  if (!(thrown instanceof SandgateError) || !ABOUT_IDS.includes(thrown.code)) return thrown;
  if (!args.some((arg) => TOKEN.test(arg))) return thrown;
  const { code, message, field } = thrown;
  return new SandgateError(code, message.replace(ALL_TOKENS, '…'), {
    remedy:
      'this looks like a token: give the id that `sandgate token list <sandboxId>` shows, and rotate the token, since every user of this machine can see a command line',
    ...(field !== undefined && { field }),
    cause: thrown,
  });
}
