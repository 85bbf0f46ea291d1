import type { Readiness } from '../server/readiness.ts';
import { type GateView, readyPart } from './gate-view.ts';

/** The `/readyz` of a supervisor. One gate that answers is enough for Envoy, so it is enough here. */
export async function fleetReadiness(gates: readonly GateView[], draining: boolean): Promise<Readiness> {
  const parts = await Promise.all(gates.map(readyPart));
  const supervisor = { ok: !draining, ...(draining && { reason: 'draining' }), pid: process.pid };
  return {
    ready: !draining && parts.some(({ ok }) => ok),
    parts: { supervisor, ...Object.fromEntries(parts.map((part, n) => [`gate ${n}`, part])) },
  };
}
