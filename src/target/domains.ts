/** The parent domains under which sandbox URLs are served. */
export interface Domains {
  /** `domain` in lower case, without a trailing dot. */
  matches(domain: string): boolean;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * `e2b.app` is that domain alone, `*.e2b.app` is `e2b.app` and any depth under it, `*` is any domain.
 * Any other pattern matches nothing; `domainFaults` reports it.
 */
export function parseDomains(patterns: readonly string[]): Domains {
  const exact = new Set<string>();
  const suffixes: string[] = [];
  let any = false;
  for (const pattern of patterns) {
    if (!isPattern(pattern)) continue;
    const name = baseOf(pattern);
    if (pattern === '*') any = true;
    else exact.add(name);
    if (pattern.startsWith('*.')) suffixes.push(`.${name}`);
  }
  return {
    matches: (domain) => any || exact.has(domain) || suffixes.some((suffix) => domain.endsWith(suffix)),
  };
}

/** What is wrong with the patterns, one message each; empty if nothing is. */
export function domainFaults(patterns: readonly string[]): string[] {
  if (patterns.length === 0) return ['no domain is configured'];
  const wrong = patterns.filter((pattern) => !isPattern(pattern));
  return wrong.map(
    (pattern) => `${JSON.stringify(pattern)} is not a domain pattern: write e2b.app, *.e2b.app, or * for any`,
  );
}

function isPattern(pattern: string): boolean {
  const name = baseOf(pattern);
  return pattern === '*' || (name.length <= 253 && name.split('.').every((label) => LABEL.test(label)));
}

/** The domain of upstream hosts if the client's host has none: that of the first pattern but `*`, else `localhost`. */
export function defaultDomain(patterns: readonly string[]): string {
  const first = patterns.find((pattern) => pattern !== '*');
  return first === undefined ? 'localhost' : baseOf(first);
}

function baseOf(pattern: string): string {
  return (pattern.startsWith('*.') ? pattern.slice(2) : pattern).toLowerCase();
}

/** The domains of the patterns, without `*.`; `*` has none. */
export function baseDomains(patterns: readonly string[]): string[] {
  return [...new Set(patterns.filter((pattern) => pattern !== '*').map(baseOf))];
}
