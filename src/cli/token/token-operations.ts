import { formatAddress } from '../../address.ts';
import type { Flags } from '../../config.ts';
import type { Minted, MintRequest, RotateRequest, TokenInfo } from '../../policy-api/policy-admin.ts';
import type { Readiness } from '../../state/readiness.ts';
import { type GateRun, liveGates } from '../../state/run-file.ts';
import { inForceText, type Policies, type Way, warnIfNotInForce, withPolicies } from '../connect.ts';
import { type Io, print, printJson, warn } from '../io.ts';

/** `token mint`: the plaintext alone on stdout, everything else on stderr. */
export async function tokenMint(
  io: Io,
  sandboxId: string,
  request: MintRequest,
  flags: Flags,
  json: boolean,
): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async (policies) => {
    const minted = await policies.admin.mintToken(sandboxId, request);
    printMinted(io, minted, policies, json, `minted ${described(minted.info)} for ${sandboxId}`);
  });
}

/** `token rotate`: as `mint`, and says when the old one ends. */
export async function tokenRotate(
  io: Io,
  sandboxId: string,
  tokenId: string,
  request: RotateRequest,
  flags: Flags,
  json: boolean,
): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async (policies) => {
    const rotated = await policies.admin.rotateToken(sandboxId, tokenId, request);
    const end = rotated.previous?.expiresAt ? `ends at ${rotated.previous.expiresAt}` : 'is revoked';
    printMinted(
      io,
      rotated,
      policies,
      json,
      `${described(rotated.info)} takes over from ${tokenId}, which ${end}`,
    );
  });
}

/** `token list`: a line each: id, fingerprint, label, created, end, ports, incarnation. */
export async function tokenList(io: Io, sandboxId: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async ({ admin, way }) => {
    const tokens = await admin.listTokens(sandboxId);
    if (json) return printJson(io, { tokens, via: way });
    if (tokens.length === 0) return print(io, 'no tokens');
    for (const token of tokens) print(io, row(token));
  });
}

/** `token revoke`. */
export async function tokenRevoke(
  io: Io,
  sandboxId: string,
  tokenId: string,
  flags: Flags,
  json: boolean,
): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async ({ admin, way, settings }) => {
    const { revoked, ...force } = await admin.revokeToken(sandboxId, tokenId);
    const bound = await revokeBound(settings.stateDir, way);
    const { gates, inForce } = force;
    if (json) return printJson(io, { revoked, gates, inForce, refusedWithinSeconds: bound, via: way });
    const streams = revoked.expiresAt
      ? `until the token's expiry, ${revoked.expiresAt}`
      : 'until they end: the token has no expiry';
    print(io, `revoked ${described(revoked)} of ${sandboxId}: ${inForceText(force, way)}`);
    const since = inForce && gates > 0 ? 'from now on' : bound && `at every gate within ${bound} s`;
    if (since) print(io, `new requests with it are refused ${since}; open streams stay ${streams}`);
    warnIfNotInForce(io, force);
  });
}

function printMinted(io: Io, minted: Minted, { way }: Policies, json: boolean, what: string): void {
  if (json) {
    printJson(io, { ...minted, via: way });
  } else {
    print(io, minted.token);
    warn(io, `${what}: ${inForceText(minted, way)}; this is the only time that it is shown`);
  }
  warnIfNotInForce(io, minted);
}

function described({ id, fingerprint, expiresAt }: TokenInfo): string {
  return `token ${id} (fingerprint ${fingerprint}${expiresAt ? `, ends at ${expiresAt}` : ''})`;
}

function row({ id, fingerprint, label, createdAt, expiresAt, ports, incarnation }: TokenInfo): string {
  const doors = ports === undefined ? 'every port' : `ports ${ports.join(',') || 'none'}`;
  return [
    id,
    fingerprint,
    label ?? '-',
    createdAt,
    expiresAt ?? 'no end',
    doors,
    incarnation ?? 'any life',
  ].join('\t');
}

/**
 * Seconds after which no gate lets a request pass on what it knew before a write: the largest staleness bound that the
 * gates of the state folder show. Undefined where it cannot be known here.
 */
async function revokeBound(stateDir: string, way: Way): Promise<number | undefined> {
  if (way.kind === 'api') return undefined;
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
