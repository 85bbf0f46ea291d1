import type { ClientRequest } from '../check/check-request.ts';
import { SandgateError } from '../errors.ts';
import { REQUEST_HEADERS } from '../target/headers.ts';

const DEFAULT_PORTS = { http: ':80', https: ':443' } as const;
const URL_FORM = /^(https?):\/\/([^/?#]+)([/?][^#]*)?(?:#.*)?$/i;
/** Characters that no client sends in a URL. */
const UNSENDABLE = /[^\x21-\x7e]/;
const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[^[\]:]*)(?::(\d{1,5}))?$/i;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/s;
const NO_VALUE = /[\0\r\n]/;

/**
 * The request that a client would send. Host and path are taken as written; a default port is dropped, as clients do; a
 * `Host` header overrides the URL's, as in curl. Throws SETTINGS_INVALID without repeating any value, since even a URL
 * may contain a secret.
 */
export function readRequest(url: string, lines: readonly string[], method: string): ClientRequest {
  const match = URL_FORM.exec(url);
  if (match === null || UNSENDABLE.test(url)) {
    throw invalid(
      'the URL cannot be parsed',
      'write http:// or https://, a host and a path, percent-encoded',
    );
  }
  const scheme = match[1]!.toLowerCase() as 'http' | 'https';
  const authority = match[2]!;
  if (authority.includes('@')) throw invalid('the URL contains a user name or a password', 'remove it');
  const port = AUTHORITY.exec(authority);
  if (port === null || Number(port[1] ?? 0) > 65_535)
    throw invalid("the URL's host or port cannot be parsed");
  if (!METHOD.test(method)) throw invalid('-X is not an HTTP method');

  const headers = lines.map(readHeader);
  const isHost = ([name]: readonly [string, string]) => name.toLowerCase() === 'host';
  const hosts = headers.filter(isHost).map(([, value]) => value);
  if (hosts.length > 1) throw invalid('Host is given more than once; Envoy would answer 400 itself');
  const suffix = DEFAULT_PORTS[scheme];
  const named = authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : authority;
  const target = match[3] ?? '/';
  return {
    scheme,
    method,
    host: hosts[0] ?? named,
    path: target.startsWith('/') ? target : `/${target}`,
    headers: headers.filter((header) => !isHost(header)),
  };
}

/** Adds the token from standard input, without a line end. */
export function withToken(request: ClientRequest, input: string): ClientRequest {
  const token = input.replace(/\r?\n$/, '');
  if (token === '' || NO_VALUE.test(token)) {
    throw invalid('standard input has no token', `give one line: printf %s "$TOKEN" | sandgate explain …`);
  }
  if (hasToken(request)) throw invalid('the token is given twice, by -H and on standard input');
  return { ...request, headers: [...request.headers, [REQUEST_HEADERS.token, latin1(token)]] };
}

/** Whether a token is among the headers. */
export function hasToken({ headers }: ClientRequest): boolean {
  return headers.some(([name]) => name.toLowerCase() === REQUEST_HEADERS.token);
}

function readHeader(line: string, index: number): [name: string, value: string] {
  const match = HEADER.exec(line);
  if (match === null || NO_VALUE.test(match[2]!)) {
    throw invalid(`-H number ${index + 1} is not a header`, "write -H 'name: value'");
  }
  return [match[1]!, latin1(match[2]!.trimEnd())];
}

/** One character per byte, as on the wire. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function invalid(message: string, remedy?: string): SandgateError {
  return new SandgateError('SETTINGS_INVALID', message, { ...(remedy !== undefined && { remedy }) });
}
