import type { ClientRequest } from '../check/check-request.ts';
import { SandgateError } from '../errors.ts';
import { REQUEST_HEADERS } from '../target/headers.ts';

const DEFAULT_PORTS = { http: ':80', https: ':443' } as const;
const URL_FORM = /^(https?):\/\/([^/?#]+)([/?][^#]*)?(?:#.*)?$/i;
/** What no client lets through into a request. */
const UNSENDABLE = /[^\x21-\x7e]/;
const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[^[\]:]*)(?::(\d{1,5}))?$/i;
/** The bundled Envoy's own bounds: past them it answers 431 and asks no gate. */
const MOST_HEADERS = 100;
const MOST_HEADER_BYTES = 60 * 1024;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/s;
const NO_VALUE = /[\0\r\n]/;

/**
 * The request that a client would send. The host and the path are taken as written; a default port is left out, as
 * clients do; a `Host` among the lines wins, as with curl. Throws SETTINGS_INVALID, which repeats no value: a URL, too,
 * may hold a secret.
 */
export function readRequest(url: string, lines: readonly string[], method: string): ClientRequest {
  const match = URL_FORM.exec(url);
  if (match === null || UNSENDABLE.test(url)) {
    throw wrong('the URL cannot be read', 'write http:// or https://, a host and a path, percent-encoded');
  }
  const scheme = match[1]!.toLowerCase() as 'http' | 'https';
  const authority = match[2]!;
  if (authority.includes('@')) throw wrong('the URL holds a user name or a password', 'leave it out');
  const port = AUTHORITY.exec(authority);
  if (port === null || Number(port[1] ?? 0) > 65_535) throw wrong("the URL's host or port cannot be read");
  if (!METHOD.test(method)) throw wrong('-X is no HTTP method');

  const headers = lines.map(readHeader);
  const isHost = ([name]: readonly [string, string]) => name.toLowerCase() === 'host';
  const hosts = headers.filter(isHost).map(([, value]) => value);
  if (hosts.length > 1) throw wrong('Host is given more than once; Envoy answers that with a 400 itself');
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, url.length);
  if (headers.length > MOST_HEADERS || bytes > MOST_HEADER_BYTES)
    throw wrong('these are more headers than Envoy takes; it answers that with a 431 itself');
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

/** Adds a token that did not come as an argument, without the line end that a file has. */
export function withToken(request: ClientRequest, input: string): ClientRequest {
  const token = input.replace(/\r?\n$/, '');
  if (token === '' || NO_VALUE.test(token)) {
    throw wrong('standard input holds no token', `give one line: printf %s "$TOKEN" | sandgate explain …`);
  }
  if (hasToken(request)) throw wrong('the token came twice, by -H and on standard input');
  return { ...request, headers: [...request.headers, [REQUEST_HEADERS.token, latin1(token)]] };
}

/** Whether a token is among the headers. */
export function hasToken({ headers }: ClientRequest): boolean {
  return headers.some(([name]) => name.toLowerCase() === REQUEST_HEADERS.token);
}

function readHeader(line: string, index: number): [name: string, value: string] {
  const match = HEADER.exec(line);
  if (match === null || NO_VALUE.test(match[2]!)) {
    throw wrong(`-H number ${index + 1} is not a header`, "write -H 'name: value'");
  }
  return [match[1]!, latin1(match[2]!.trimEnd())];
}

/** One character a byte, as on the wire. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function wrong(message: string, remedy?: string): SandgateError {
  return new SandgateError('SETTINGS_INVALID', message, { ...(remedy !== undefined && { remedy }) });
}
