import type { Minted, TokenInfo } from '../../policy-api/policy-admin.ts';
import { type Connection, inForceText, warnIfNotInForce } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson, warn } from '../io.ts';

/** Prints a new token: its plaintext alone on stdout, everything else on stderr. */
export function printMinted(
  { io, json }: CommandContext,
  minted: Minted,
  connection: Connection,
  event: string,
): void {
  if (json) {
    printJson(io, { ...minted, via: connection });
  } else {
    print(io, minted.token);
    warn(io, `${event}: ${inForceText(minted, connection)}; the token is not shown again`);
  }
  warnIfNotInForce(io, minted);
}

export function describeToken({ id, fingerprint, expiresAt }: TokenInfo): string {
  return `token ${id} (fingerprint ${fingerprint}${expiresAt ? `, expires at ${expiresAt}` : ''})`;
}
