import { formatAddress } from '../address.ts';
import type { Readiness } from '../server/readiness.ts';
import type { GateRun } from '../server/run-file.ts';
import { type Finding, fail, ok } from './finding.ts';

/** Asks a gate's `/readyz`; rejects where it does not answer. */
export type AskReady = (gate: GateRun) => Promise<Readiness>;

/** What every gate of this state folder says of itself. */
export async function checkGates(gates: readonly GateRun[], askReady: AskReady): Promise<Finding[]> {
  if (gates.length === 0) return [ok('gates', 'none runs on this state folder')];
  return Promise.all(gates.map((gate) => checkGate(gate, askReady)));
}

async function checkGate(gate: GateRun, askReady: AskReady): Promise<Finding> {
  const check = `gate ${gate.pid}`;
  try {
    const { ready, parts } = await askReady(gate);
    if (ready) return ok(check, `ready, on ${gate.check}`);
    const faults = Object.entries(parts)
      .filter(([, part]) => !part.ok)
      .map(([name, { reason }]) => `${name}${reason === undefined ? '' : ` (${reason})`}`);
    return fail(check, `not ready: ${faults.join(', ')}`, "see the gate's log");
  } catch {
    const at = `http://${formatAddress(gate.ops)}/readyz`;
    return fail(check, `runs, but ${at} does not answer`, `stop it (kill ${gate.pid}) and start it again`);
  }
}
