import { formatAddress } from '../address.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { PolicyRules } from '../policy/network.ts';
import type { Policy } from '../policy/policy.ts';
import type { PolicyStore } from '../policy/store.ts';
import type { Readiness } from '../state/readiness.ts';
import type { GateRun } from '../state/run-file.ts';
import { type Finding, fail, failedBy, ok, warn } from './finding.ts';

const PAGE = 500;
/** Further policies are not read, so that the check takes a second, not a minute. */
const MOST = 10_000;
const MOST_NAMED = 3;

/** Opens the store and reads its policies. `open` resolves with undefined if there is no store yet. */
export async function checkStore(
  open: () => Promise<PolicyStore | undefined>,
  rules: PolicyRules,
): Promise<Finding[]> {
  let store: PolicyStore | undefined;
  try {
    store = await open();
    if (store === undefined) return [ok('store', 'none yet; it will be made at the first start')];
    return [...(await readPolicies(store, rules)), ...badFiles(store)];
  } catch (error) {
    return [failedBy('store', error)];
  } finally {
    await store?.close();
  }
}

async function readPolicies(store: PolicyStore, rules: PolicyRules): Promise<Finding[]> {
  let count = 0;
  let after: string | undefined;
  const unreadable: string[] = [];
  const refused: string[] = [];
  while (count < MOST) {
    const page = await store.list({ ...(after !== undefined && { after }), limit: PAGE });
    for (const record of page) {
      after = String(record.sandboxId);
      const policy = readable(after, record, rules);
      if (policy === undefined) unreadable.push(after);
      else if (policy.publicRefused) refused.push(after);
    }
    count += page.length;
    if (page.length < PAGE) break;
  }
  const policies = `${store.kind}, ${count >= MOST ? `${MOST} or more` : count} ${count === 1 ? 'policy' : 'policies'}`;
  const fault = store.fault();
  if (fault !== undefined)
    return [warn('store', `${policies}; ${fault}`, 'make the folder readable; see docs/policies.md')];
  return [storeFinding(policies, unreadable), ...publicFindings(refused)];
}

function storeFinding(policies: string, unreadable: readonly string[]): Finding {
  if (unreadable.length === 0) return ok('store', policies);
  const remedy = 'find the rule that they break with `sandgate explain`, and put them again';
  return warn(
    'store',
    `${policies}, ${unreadable.length} of which cannot be read: ${some(unreadable)}`,
    remedy,
  );
}

function publicFindings(refused: readonly string[]): Finding[] {
  if (refused.length === 0) return [];
  const [which, their] =
    refused.length === 1 ? ['1 policy says', 'its'] : [`${refused.length} policies say`, 'their'];
  const found = `${which} public and require${refused.length === 1 ? 's' : ''} a token all the same: ${some(refused)}`;
  return [warn('public traffic', found, `put ${their} access part again with allowPublicTraffic false`)];
}

function some(ids: readonly string[]): string {
  return ids.slice(0, MOST_NAMED).join(', ');
}

/** One finding per file, so that all of them can be fixed at once. */
function badFiles(store: PolicyStore): Finding[] {
  const { count, named } = store.unusable() ?? { count: 0, named: [] };
  const remedy = 'fix the file, or remove it; see docs/policies.md';
  const findings = named.map(({ name, reason }) => warn('policy file', `${name}: ${reason}`, remedy));
  if (count === named.length) return findings;
  return [...findings, warn('policy file', `${count - named.length} more files`, remedy)];
}

function readable(sandboxId: string, record: unknown, rules: PolicyRules): Policy | undefined {
  try {
    return compilePolicy(sandboxId, record, rules);
  } catch {
    return undefined;
  }
}

/** Fetches a gate's `/readyz`; rejects if it does not answer. */
export type FetchReadiness = (gate: GateRun) => Promise<Readiness>;

/** Checks the readiness of every gate of this state folder. */
export async function checkGates(
  gates: readonly GateRun[],
  fetchReadiness: FetchReadiness,
): Promise<Finding[]> {
  if (gates.length === 0) return [ok('gates', 'none is running on this state folder')];
  return Promise.all(gates.map((gate) => checkGate(gate, fetchReadiness)));
}

async function checkGate(gate: GateRun, fetchReadiness: FetchReadiness): Promise<Finding> {
  const check = `gate ${gate.pid}`;
  try {
    const { ready, degraded, parts } = await fetchReadiness(gate);
    if (ready && degraded) {
      const reasons = Object.values(parts).flatMap((part) => (part.degraded ? [part.reason ?? ''] : []));
      return warn(
        check,
        `ready, on ${gate.check}; degraded: ${reasons.join('; ')}`,
        'see the other findings',
      );
    }
    if (ready) return ok(check, `ready, on ${gate.check}`);
    const faults = Object.entries(parts)
      .filter(([, part]) => !part.ok)
      .map(([name, { reason }]) => `${name}${reason === undefined ? '' : ` (${reason})`}`);
    return fail(check, `not ready: ${faults.join(', ')}`, "see the gate's log");
  } catch {
    const at = `http://${formatAddress(gate.ops)}/readyz`;
    return fail(
      check,
      `is running, but ${at} does not answer`,
      `stop it (kill ${gate.pid}) and start it again`,
    );
  }
}
