const INTERNAL = new Set(['collapse', 'freeze', 'fsfreeze', 'fsthaw', 'init', 'unfreeze', 'upgrade']);

/** A cheap filter that misses no internal path: each one spells its name out or hides it behind a `%`. */
const SUSPECT = /%|collapse|freeze|fsthaw|init|upgrade/;

const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i;

/** Where some servers end a segment: at path parameters, or at a percent-encoded query, fragment or NUL. */
const SEGMENT_END = /[;?#\0]/;

/**
 * Whether a request target, on the agent's port, is one of the agent's control-plane paths (docs/contract.md §2, step 2):
 * compared after one percent-decoding, without the query, and with `.`, `..`, `//` and a trailing `/` removed.
 * Returns the path for the answer (decoded once, not cleaned), or undefined for any other path.
 */
export function internalPath(requestTarget: string): string | undefined {
  if (!SUSPECT.test(requestTarget)) return undefined;
  const raw = requestTarget.replace(ABSOLUTE_FORM, '');
  const query = raw.indexOf('?');
  const path = percentDecoded(query === -1 ? raw : raw.slice(0, query));
  const segments = path.split('/');
  // Read in two ways: `/..;x/init` is `/init` to a server that drops parameters first, `/init/..;x/..` to one that
  // does not.
  const internal = namesInternal(segments) || namesInternal(segments.map(withoutParameters));
  return internal ? path : undefined;
}

function namesInternal(segments: readonly string[]): boolean {
  const cleaned: string[] = [];
  for (const segment of segments) {
    if (segment === '..') cleaned.pop();
    else if (segment !== '' && segment !== '.') cleaned.push(segment);
  }
  return cleaned.length === 1 && INTERNAL.has(withoutParameters(cleaned[0] ?? ''));
}

function withoutParameters(segment: string): string {
  const end = segment.search(SEGMENT_END);
  return end === -1 ? segment : segment.slice(0, end);
}

/** Decodes once, so that `%2569` becomes `%69`; malformed sequences stay, and bytes that are not UTF-8 become U+FFFD. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
