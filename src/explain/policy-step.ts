import type { Deny } from '../decision/decision.ts';
import { SandgateError } from '../errors.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { Policy } from '../policy/policy.ts';
import type { Target } from '../target/target.ts';
import type { Evaluation } from './evaluation.ts';

/** The policy that the look-up found, or why there is none. */
export function policyStep(evaluation: Evaluation, { sandboxId }: Target, denial: Deny | undefined) {
  const { lookup } = evaluation;
  switch (lookup?.kind) {
    case 'found':
      return foundStep(lookup.policy, evaluation, denial);
    case 'absent':
      return { found: `no policy for ${sandboxId}` };
    case 'unavailable':
      return { found: whyUnavailable(evaluation, sandboxId, lookup.code), code: lookup.code };
    case undefined:
      return { found: 'not looked up' };
    default:
      return lookup satisfies never;
  }
}

function foundStep(policy: Policy, { record, now }: Evaluation, denial: Deny | undefined) {
  const facts = {
    state: policy.state,
    endsAt: policy.endsAt === undefined ? undefined : new Date(policy.endsAt).toISOString(),
    incarnation: policy.incarnation,
    versions: { runtime: versionOf(record, 'runtime'), access: versionOf(record, 'access') },
    access: accessOf(policy),
  };
  const { runtime, access } = facts.versions;
  const ended = policy.endsAt !== undefined && policy.endsAt <= now ? `, ended ${facts.endsAt}` : '';
  const broken = denial?.detail === 'POLICY_UNREADABLE' ? ', but it has no route' : '';
  const found =
    `${policy.state}${ended}${broken}; incarnation ${policy.incarnation}; ` +
    `versions ${runtime} (runtime), ${access} (access); access: ${facts.access}`;
  return { found, ...facts };
}

function accessOf({ allowPublicTraffic, publicRefused, agentSelfAuthenticating, tokens }: Policy): string {
  const count = `${tokens.length} token${tokens.length === 1 ? '' : 's'}`;
  const restricted = publicRefused
    ? `${count}; the policy says public, which this deployment refuses (--public-traffic)`
    : count;
  const needs = allowPublicTraffic ? 'public' : restricted;
  return agentSelfAuthenticating ? `${needs}; the agent checks its own token` : needs;
}

function versionOf(record: Evaluation['record'], part: 'runtime' | 'access'): string | undefined {
  return (record?.[part] as { version?: string } | undefined)?.version;
}

/** The look-up has only an error code, so the record is compiled again to learn which rule it breaks. */
function whyUnavailable({ record, storeFault, rules }: Evaluation, sandboxId: string, code: string): string {
  if (storeFault !== undefined) return `${storeFault.message} [${storeFault.code}]`;
  try {
    if (record !== undefined) compilePolicy(sandboxId, record, rules);
  } catch (error) {
    if (error instanceof SandgateError) return `${error.message} [${error.code}]`;
  }
  return `unknown [${code}]`;
}
