import type { Command } from 'commander';
import { formatAddress } from '../../address.ts';
import type { Readiness } from '../../state/readiness.ts';
import { type GateRun, liveGates } from '../../state/run-file.ts';
import { type Connection, inForceText, warnIfNotInForce } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson } from '../io.ts';
import { describeToken } from './token-text.ts';

/** `token revoke <sandboxId> <tokenId>`. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('revoke')
    .argument('<sandboxId>')
    .argument('<tokenId>', 'see `token list`')
    .description('revoke a token until the policy of the sandbox is deleted')
    .option('--json', 'print what was revoked as JSON')
    .addHelpText(
      'after',
      '\nNew requests are refused; streams that are already open stay open until the token expires.',
    )
    .action((sandboxId: string, tokenId: string) => tokenRevoke(context, sandboxId, tokenId));
}

async function tokenRevoke(context: CommandContext, sandboxId: string, tokenId: string): Promise<void> {
  const { io, json } = context;
  await context.connect({ reads: true }, async ({ admin, connection, settings }) => {
    const { revoked, ...force } = await admin.revokeToken(sandboxId, tokenId);
    const bound = await revokeBound(settings.stateDir, connection);
    const { gates, inForce } = force;
    if (json) return printJson(io, { revoked, gates, inForce, refusedWithinSeconds: bound, via: connection });
    const streams = revoked.expiresAt
      ? `until the token's expiry, ${revoked.expiresAt}`
      : 'until they end: the token has no expiry';
    print(io, `revoked ${describeToken(revoked)} of ${sandboxId}: ${inForceText(force, connection)}`);
    const since = inForce && gates > 0 ? 'from now on' : bound && `at every gate within ${bound} s`;
    if (since) print(io, `new requests with it are refused ${since}; open streams stay ${streams}`);
    warnIfNotInForce(io, force);
  });
}

/**
 * Seconds after which no gate allows a request because of a policy cached before a write: the largest staleness bound
 * that the gates of the state folder report. Undefined if it cannot be known here.
 */
async function revokeBound(stateDir: string, connection: Connection): Promise<number | undefined> {
  if (connection.kind === 'api') return undefined;
  const bounds = await Promise.all(liveGates(stateDir).map(boundOf));
  const known = bounds.filter((bound) => bound !== undefined);
  return known.length < bounds.length || known.length === 0 ? undefined : Math.max(...known);
}

async function boundOf(gate: GateRun): Promise<number | undefined> {
  try {
    const url = `http://${formatAddress(gate.ops)}/readyz`;
    const response = await fetch(url, { signal: AbortSignal.timeout(500) });
    const bound = ((await response.json()) as Readiness).parts.policies?.stalenessBoundSeconds;
    return typeof bound === 'number' ? bound : undefined;
  } catch {
    return undefined;
  }
}
