import { type Address, formatAddress } from '../address.ts';
import type { MetricDump } from '../observe/exposition.ts';
import { isDegraded, type Part, type Readiness } from '../state/readiness.ts';
import type { Supervised } from './supervised.ts';

/** One gate process as its supervisor sees it. */
export interface GateView {
  program: Supervised;
  ops: Address;
}

/** A frozen gate must not delay the answers of the others. */
const ANSWER_WITHIN_MS = 1000;

/** A gate's part of `/readyz`. Never rejects. */
async function readyPart({ program, ops }: GateView): Promise<Part> {
  const { state, restarts } = program;
  switch (state.kind) {
    case 'down':
      return { ok: false, reason: state.reason, restarts };
    case 'restarting':
      return { ok: false, reason: 'restarting', restarts };
    case 'up': {
      const facts = { pid: state.running.pid, restarts };
      const answer = await fetchJson<Readiness>(ops, '/readyz');
      if (answer === undefined) return { ok: false, reason: 'does not answer', ...facts };
      const faulty = Object.entries(answer.parts).filter(([, part]) => !part.ok || part.degraded);
      const reason = faulty.map(([name, part]) => part.reason ?? name).join('; ');
      const { ready, degraded, parts } = answer;
      return { ok: ready, ...(degraded && { degraded }), ...(reason !== '' && { reason }), ...facts, parts };
    }
    default:
      return state satisfies never;
  }
}

/** A gate's metrics; undefined if it does not answer. */
export async function dumpOf({ program, ops }: GateView): Promise<MetricDump | undefined> {
  return program.state.kind === 'up' ? fetchJson<MetricDump>(ops, '/metrics.json') : undefined;
}

async function fetchJson<T>(ops: Address, path: string): Promise<T | undefined> {
  try {
    const response = await fetch(`http://${formatAddress(ops)}${path}`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return (await response.json()) as T;
  } catch {
    return undefined;
  }
}

/** The `/readyz` of a supervisor. One ready gate is enough for Envoy, so it is enough here. */
export async function fleetReadiness(gates: readonly GateView[], draining: boolean): Promise<Readiness> {
  const each = await Promise.all(gates.map(readyPart));
  const supervisor = { ok: !draining, ...(draining && { reason: 'draining' }), pid: process.pid };
  const parts = { supervisor, ...Object.fromEntries(each.map((part, n) => [`gate ${n}`, part])) };
  return { ready: !draining && each.some(({ ok }) => ok), degraded: isDegraded(parts), parts };
}
