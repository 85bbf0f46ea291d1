import { isIP } from 'node:net';

export interface Host {
  /** Lower case, without port, brackets or trailing dot; never empty. */
  name: string;
  /** True for `localhost` and IP literals, which have no parent domain. */
  local: boolean;
}

// A comma means merged Host headers, an @ means userinfo; parsers disagree about the rest.
const FORBIDDEN = /[^\x21-\x7e]|[,@/\\]/;
/** True of every IPv4 address and hardly any domain; cheaper than `isIP`. */
const ENDS_IN_DIGIT = /[0-9]$/;
/** Of a host name in DNS. A longer one would not fit into the headers of an allow either. */
const LONGEST_NAME = 253;
const PORT_SUFFIX = /^:[0-9]{1,5}$/;

/** Reads `:authority` or Host. Undefined if a later parser might read another host. */
export function parseHost(authority: string): Host | undefined {
  if (FORBIDDEN.test(authority)) return undefined;
  if (authority.startsWith('[')) return parseBracketed(authority);
  const colon = authority.indexOf(':');
  if (colon !== -1 && !PORT_SUFFIX.test(authority.slice(colon))) return undefined;
  let name = (colon === -1 ? authority : authority.slice(0, colon)).toLowerCase();
  if (name.endsWith('.')) name = name.slice(0, -1);
  if (name.length > LONGEST_NAME) return undefined;
  if (name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('..')) return undefined;
  return { name, local: name === 'localhost' || (ENDS_IN_DIGIT.test(name) && isIP(name) === 4) };
}

function parseBracketed(authority: string): Host | undefined {
  const close = authority.indexOf(']');
  const name = authority.slice(1, close);
  const rest = authority.slice(close + 1);
  // `isIP` accepts a zone (`fe80::1%eth0`), which is not valid in a Host.
  if (close === -1 || isIP(name) !== 6 || name.includes('%')) return undefined;
  if (rest !== '' && !PORT_SUFFIX.test(rest)) return undefined;
  return { name: name.toLowerCase(), local: true };
}
