import { SandgateError } from '../errors.ts';

/** The parent domains under which sandbox URLs are served. */
export interface Domains {
  /** `domain` in lower case, without a trailing dot. */
  matches(domain: string): boolean;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * `e2b.app` is that domain alone, `*.e2b.app` is `e2b.app` and any depth under it, `*` is any domain.
 * Throws SETTINGS_INVALID, naming the first pattern that is none of these.
 */
export function parseDomains(patterns: readonly string[]): Domains {
  if (patterns.length === 0) {
    throw new SandgateError('SETTINGS_INVALID', 'No domain is configured.', { field: 'domains' });
  }
  const exact = new Set<string>();
  const suffixes: string[] = [];
  let any = false;
  for (const pattern of patterns) {
    const name = baseOf(pattern);
    if (pattern === '*') any = true;
    else if (!name.split('.').every((label) => LABEL.test(label)) || name.length > 253) {
      throw new SandgateError('SETTINGS_INVALID', `${JSON.stringify(pattern)} is not a domain pattern.`, {
        field: 'domains',
        remedy: 'Write a domain such as e2b.app, *.e2b.app for it and all under it, or * for any.',
      });
    } else {
      exact.add(name);
      if (pattern.startsWith('*.')) suffixes.push(`.${name}`);
    }
  }
  return {
    matches: (domain) => any || exact.has(domain) || suffixes.some((suffix) => domain.endsWith(suffix)),
  };
}

/** Names upstream hosts where the client's host carried no domain: the first pattern that is one, else `localhost`. */
export function defaultDomain(patterns: readonly string[]): string {
  const first = patterns.find((pattern) => pattern !== '*');
  return first === undefined ? 'localhost' : baseOf(first);
}

function baseOf(pattern: string): string {
  return (pattern.startsWith('*.') ? pattern.slice(2) : pattern).toLowerCase();
}
