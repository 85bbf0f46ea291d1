import type { Deny } from '../decision/decision.ts';
import { SandgateError } from '../errors.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { Policy } from '../policy/policy.ts';
import type { Target } from '../target/target.ts';
import type { Evaluation } from './explanation.ts';

/** What the look-up found, and what of it decided. */
export function policyStep(judged: Evaluation, { sandboxId }: Target, refusal: Deny | undefined) {
  const { lookup } = judged;
  switch (lookup?.kind) {
    case 'found':
      return foundStep(lookup.policy, judged, refusal);
    case 'absent':
      return { found: `there is none for ${sandboxId}` };
    case 'unavailable':
      return { found: whyUnavailable(judged, sandboxId, lookup.code), code: lookup.code };
    case undefined:
      return { found: 'was not looked up' };
    default:
      return lookup satisfies never;
  }
}

function foundStep(policy: Policy, { record, now }: Evaluation, refusal: Deny | undefined) {
  const facts = {
    state: policy.state,
    endsAt: policy.endsAt === undefined ? undefined : new Date(policy.endsAt).toISOString(),
    incarnation: policy.incarnation,
    versions: { runtime: versionOf(record, 'runtime'), access: versionOf(record, 'access') },
    door: doorOf(policy),
  };
  const { runtime, access } = facts.versions;
  const ended = policy.endsAt !== undefined && policy.endsAt <= now ? `, ended ${facts.endsAt}` : '';
  const broken = refusal?.detail === 'POLICY_UNREADABLE' ? ', but it has no route' : '';
  const found =
    `${policy.state}${ended}${broken}; incarnation ${policy.incarnation}; ` +
    `versions ${runtime} (runtime), ${access} (access); door: ${facts.door}`;
  return { found, ...facts };
}

function doorOf({ allowPublicTraffic, agentSelfAuthenticating, tokens }: Policy): string {
  const door = allowPublicTraffic ? 'public' : `${tokens.length} token${tokens.length === 1 ? '' : 's'}`;
  return agentSelfAuthenticating ? `${door}, the agent checks its own` : door;
}

function versionOf(record: Evaluation['record'], part: 'runtime' | 'access'): string | undefined {
  return (record?.[part] as { version?: string } | undefined)?.version;
}

/** The look-up keeps the code alone; the record is read again for the rule that it breaks. */
function whyUnavailable({ record, storeFault, rules }: Evaluation, sandboxId: string, code: string): string {
  if (storeFault !== undefined) return `${storeFault.message} [${storeFault.code}]`;
  try {
    if (record !== undefined) compilePolicy(sandboxId, record, rules);
  } catch (error) {
    if (error instanceof SandgateError) return `${error.message} [${error.code}]`;
  }
  return `cannot be known [${code}]`;
}
