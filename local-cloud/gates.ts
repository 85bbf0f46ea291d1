import { SandgateError } from '#src/errors.js';
import { HttpPolicyAdmin } from '#src/policy-api/client/http-client.js';
import type { PolicyAdmin } from '#src/policy-api/policy-admin.js';
import type { CloudSettings } from './settings.ts';

/** Longer than the 2 s that a write waits to be in force everywhere. */
const WITHIN_MS = 10_000;

/** The policy API calls that the control plane makes. */
export type GateAdmin = Pick<PolicyAdmin, 'get' | 'put' | 'putPart' | 'delete'>;

/**
 * The policy API of the first gate that answers. A call may have taken effect at a gate that then went away, so every call
 * here is safe to repeat, except a create: its repetition finds that the policy exists, and fails.
 */
export function gateAdmin({
  policyApis,
  policyKey: key,
}: Pick<CloudSettings, 'policyApis' | 'policyKey'>): GateAdmin {
  const gates = policyApis.map((at) => new HttpPolicyAdmin({ at, key, timeLimitMs: WITHIN_MS }));
  const first = async <T>(call: (gate: PolicyAdmin) => Promise<T>): Promise<T> => {
    let unreachable: unknown;
    for (const gate of gates) {
      try {
        return await call(gate);
      } catch (error) {
        if (!(error instanceof SandgateError) || error.code !== 'API_UNREACHABLE') throw error;
        unreachable = error;
      }
    }
    throw unreachable;
  };
  return {
    get: (sandboxId) => first((gate) => gate.get(sandboxId)),
    put: (records, options) => first((gate) => gate.put(records, options)),
    putPart: (sandboxId, part, input, expected) =>
      first((gate) => gate.putPart(sandboxId, part, input, expected)),
    delete: (sandboxId) => first((gate) => gate.delete(sandboxId)),
  };
}
