import { setTimeout as pause } from 'node:timers/promises';
import { formatAddress } from '../address.ts';
import type { Readiness } from './readiness.ts';
import { type GateRun, liveGates } from './run-file.ts';

const PATIENCE_MS = 2000;
const BETWEEN_TRIES_MS = 20;

/** The number of live gates of a state folder, and those whose policies have not reached `sequence`. */
export interface InForce {
  gates: number;
  behind: GateRun[];
}

/** Waits up to 2 s until every live gate reports a policy sequence of at least `sequence` in its `/readyz`. */
export async function waitInForce(
  stateDir: string,
  sequence: number,
  monotonic: () => number,
): Promise<InForce> {
  const until = monotonic() + PATIENCE_MS;
  for (;;) {
    const gates = liveGates(stateDir);
    const reached = await Promise.all(gates.map(async (gate) => (await sequenceOf(gate)) >= sequence));
    const behind = gates.filter((_, index) => !reached[index]);
    if (behind.length === 0 || monotonic() > until) return { gates: gates.length, behind };
    await pause(BETWEEN_TRIES_MS);
  }
}

async function sequenceOf(gate: GateRun): Promise<number> {
  try {
    const response = await fetch(`http://${formatAddress(gate.ops)}/readyz`, {
      signal: AbortSignal.timeout(500),
    });
    const { parts } = (await response.json()) as Readiness;
    return Number(parts.policies?.sequence ?? -1);
  } catch {
    return -1;
  }
}
