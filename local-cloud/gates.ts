import { SandgateError } from '#src/errors.js';
import { HttpPolicyAdmin } from '#src/policy-api/client/http-client.js';
import type { PolicyAdmin } from '#src/policy-api/policy-admin.js';
import type { CloudSettings } from './settings.ts';

/** Longer than a write waits until it is in force everywhere, 2 s. */
const WITHIN_MS = 10_000;

/** The calls that the control plane makes. */
export type GateAdmin = Pick<PolicyAdmin, 'get' | 'put' | 'putPart' | 'delete'>;

/**
 * The policy API of whichever gate answers. A call may have taken effect at a gate that then went away, so each one here
 * is safe to repeat, but for the create: its repetition then says that the policy is there, and the create fails.
 */
export function gateAdmin({
  policyApis,
  policyKey: key,
}: Pick<CloudSettings, 'policyApis' | 'policyKey'>): GateAdmin {
  const gates = policyApis.map((at) => new HttpPolicyAdmin({ at, key, timeLimitMs: WITHIN_MS }));
  const first = async <T>(call: (gate: PolicyAdmin) => Promise<T>): Promise<T> => {
    let away: unknown;
    for (const gate of gates) {
      try {
        return await call(gate);
      } catch (error) {
        if (!(error instanceof SandgateError) || error.code !== 'API_UNREACHABLE') throw error;
        away = error;
      }
    }
    throw away;
  };
  return {
    get: (sandboxId) => first((gate) => gate.get(sandboxId)),
    put: (records, options) => first((gate) => gate.put(records, options)),
    putPart: (sandboxId, part, input, expected) =>
      first((gate) => gate.putPart(sandboxId, part, input, expected)),
    delete: (sandboxId) => first((gate) => gate.delete(sandboxId)),
  };
}
