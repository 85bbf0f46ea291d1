const INTERNAL = new Set(['collapse', 'freeze', 'fsfreeze', 'fsthaw', 'init', 'unfreeze', 'upgrade']);

/** A cheap filter that misses no internal path: each one spells its name out or hides it behind a `%`. */
const SUSPECT = /%|collapse|freeze|fsthaw|init|upgrade/;

/** Characters of the longest name. */
const LONGEST = Math.max(...[...INTERNAL].map((name) => name.length));

const PERCENT = 0x25;
const HASH = 0x23;
const DOT = 0x2e;
const SEMICOLON = 0x3b;
const QUESTION_MARK = 0x3f;

const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i;

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
  // Read in two ways: `/..;x/init` is `/init` to a server that drops parameters first, `/init/..;x/..` to one that
  // does not.
  return namesInternal(path, false) || namesInternal(path, true) ? path : undefined;
}

/**
 * Whether one segment remains once `.`, `..` and empty ones are removed, and it is an internal name. Anyone may send
 * 59 KB of segments before any policy is read, so this makes one pass and keeps nothing but the position of that segment.
 */
function namesInternal(path: string, parametersFirst: boolean): boolean {
  let depth = 0;
  let first = '';
  for (let start = 0; start <= path.length; ) {
    const slash = path.indexOf('/', start);
    const end = slash === -1 ? path.length : slash;
    const stop = parametersFirst ? parametersAt(path, start, end) : end;
    const dots = dotsIn(path, start, stop);
    if (dots === 2) depth = Math.max(0, depth - 1);
    else if (stop > start && dots === 0) {
      depth++;
      if (depth === 1) first = path.slice(start, Math.min(end, start + LONGEST + 1));
    }
    start = end + 1;
  }
  return depth === 1 && INTERNAL.has(first.slice(0, parametersAt(first, 0, first.length)));
}

/** 1 for a segment `.`, 2 for `..`, 0 for any other. */
function dotsIn(path: string, start: number, end: number): 0 | 1 | 2 {
  if (end - start === 1) return path.charCodeAt(start) === DOT ? 1 : 0;
  if (end - start !== 2) return 0;
  return path.charCodeAt(start) === DOT && path.charCodeAt(start + 1) === DOT ? 2 : 0;
}

/** Where some servers end a segment: at path parameters, or at a percent-encoded query, fragment or NUL. */
function parametersAt(path: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const code = path.charCodeAt(at);
    if (code === SEMICOLON || code === QUESTION_MARK || code === HASH || code === 0) return at;
  }
  return end;
}

/** Decodes once, so that `%2569` becomes `%69`; malformed sequences stay, and bytes that are not UTF-8 become U+FFFD. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; length++) {
    const high = bytes[at] === PERCENT ? hexDigit(bytes[at + 1]) : -1;
    const low = high === -1 ? -1 : hexDigit(bytes[at + 2]);
    bytes[length] = low === -1 ? bytes[at]! : high * 16 + low;
    at += low === -1 ? 1 : 3;
  }
  return bytes.toString('utf8', 0, length);
}

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
