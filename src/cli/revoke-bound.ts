import { formatAddress } from '../address.ts';
import type { Readiness } from '../server/readiness.ts';
import { type GateRun, liveGates } from '../server/run-file.ts';
import type { Way } from './way.ts';

/**
 * Seconds after which no gate lets a request pass on what it knew before a write: the largest staleness bound that the
 * gates of the state folder show. Undefined where it cannot be known here.
 */
export async function revokeBound(stateDir: string, way: Way): Promise<number | undefined> {
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
