import { canonicalAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { explainIssue, firstFault } from './field-fault.ts';
import { addressFault, type PolicyRules } from './network.ts';
import {
  type PolicyPut,
  putSchema,
  type RuntimePut,
  type StoredAccess,
  type StoredRuntime,
  type Unread,
} from './record.ts';

/**
 * Reads one put as people and control planes write it, or as `get` printed it; fills in defaults and makes the
 * address canonical. Checks that need the stored record or the clock are left to the store (`merge.ts`).
 * Throws POLICY_INVALID, with the first field at fault as `field`.
 */
export function parsePut(input: unknown, rules: PolicyRules): PolicyPut {
  const read = putSchema.safeParse(input, { error: explainIssue });
  if (!read.success) {
    const { field, cause } = firstFault(read.error);
    throw policyInvalid(field, cause);
  }
  const { sandboxId, runtime, access } = read.data;
  if (runtime !== undefined) checkRoute(runtime, rules);
  if (rules.publicTraffic === 'refuse' && access?.allowPublicTraffic === true) throw publicRefused();
  if (runtime !== undefined && access !== undefined) refuseMaskedNodeProxy(runtime, access);
  return { sandboxId, ...(runtime && { runtime }), ...(access && { access }) };
}

export function policyInvalid(field: string, cause: string): SandgateError {
  return new SandgateError('POLICY_INVALID', `${field} ${cause}`, { field });
}

function publicRefused(): SandgateError {
  const field = 'access.allowPublicTraffic';
  return new SandgateError(
    'POLICY_INVALID',
    `${field} must not be true: this deployment refuses public traffic (--public-traffic refuse)`,
    { field, remedy: 'write false, and mint a token for each client' },
  );
}

/** With a mask, a sandbox could make the node proxy route to another sandbox on the same node. */
export function refuseMaskedNodeProxy(
  runtime: Unread<Pick<StoredRuntime, 'route'>>,
  access: Unread<Pick<StoredAccess, 'maskRequestHost'>>,
): void {
  const { route } = runtime;
  const hasPort = typeof route === 'object' && route !== null && 'port' in route && route.port !== undefined;
  if (hasPort && access.maskRequestHost !== undefined) {
    throw policyInvalid('access.maskRequestHost', 'cannot go with a route that has a port');
  }
}

function checkRoute(runtime: RuntimePut, rules: PolicyRules): void {
  const { route } = runtime;
  if (route === undefined) {
    if (rules.routing === 'gate') throw policyInvalid('runtime.route', 'is missing');
    return;
  }
  const fault = addressFault(route.address, rules.networks);
  if (fault !== undefined) throw policyInvalid('runtime.route.address', fault);
  route.address = canonicalAddress(route.address)!;
  if (route.port !== undefined && rules.isOwnListener(route.address, route.port)) {
    throw policyInvalid('runtime.route.port', 'with that address is a listener of Sandgate itself');
  }
}
