import { REASON_HEADER, REQUEST_HEADERS } from '../target/headers.ts';
import { internalPath } from '../target/internal-path.ts';
import type { Answer, Deny, GateRequest, Preflight } from './decision.ts';
import { wantsHtml } from './negotiate.ts';
import { closedPortPage, PAGE_CSP, renderPage } from './pages.ts';
import type { Reason } from './reasons.ts';
import { REFUSALS } from './refusals.ts';

type Header = readonly [name: string, value: string];

export const JSON_TYPE = 'application/json; charset=utf-8';
export const HTML_TYPE = 'text/html; charset=utf-8';
export const TEXT_TYPE = 'text/plain; charset=utf-8';

/** On every answer of the gate: scripts of any origin may read it, no cache stores it, and it varies by these headers. */
export const ANSWER_HEADERS: readonly Header[] = [
  ['access-control-allow-origin', '*'],
  ['cache-control', 'no-store'],
  ['vary', `${REQUEST_HEADERS.accept}, ${REQUEST_HEADERS.secFetchMode}, ${REQUEST_HEADERS.userAgent}`],
];

export const NO_SNIFF: Header = ['x-content-type-options', 'nosniff'];

export const PAGE_HEADERS: readonly Header[] = [['content-security-policy', PAGE_CSP], NO_SNIFF];

/** The answer that the client gets instead of the sandbox's, byte for byte as in docs/contract.md §3. */
export function answerFor(decision: Deny | Preflight, request: GateRequest): Answer {
  switch (decision.kind) {
    case 'preflight':
      return { status: 204, headers: [...headersFor('preflight'), ...preflightHeaders(request)], body: '' };
    case 'deny':
      return refusalOf(decision, request);
    default:
      return decision satisfies never;
  }
}

function refusalOf(deny: Deny, request: GateRequest): Answer {
  const { reason } = deny;
  const refusal = REFUSALS[reason];
  const headers = headersFor(reason);
  if (reason === 'unavailable') headers.push(['retry-after', '1']);
  if (!('title' in refusal)) {
    headers.push(['content-type', TEXT_TYPE], NO_SNIFF);
    return { status: refusal.status, headers, body: `${refusal.message}\n` };
  }
  if (wantsHtml(request)) {
    headers.push(['content-type', HTML_TYPE], ...PAGE_HEADERS);
    return { status: refusal.status, headers, body: pageFor(deny, refusal, request) };
  }
  headers.push(['content-type', JSON_TYPE]);
  return { status: refusal.status, headers, body: jsonFor(deny, request) };
}

/** The JSON body of a refusal; field order is part of the contract. */
function jsonFor(deny: Deny, request: GateRequest): string {
  const { status: code, message } = REFUSALS[deny.reason];
  const { sandboxId, port } = deny;
  switch (deny.reason) {
    case 'control_plane_path':
      return scriptSafe(JSON.stringify({ message, path: echoedPath(request.path), code }));
    case 'unavailable':
      return JSON.stringify({ message, code });
    case 'port_closed':
      return JSON.stringify({ sandboxId, message, port, code });
    default:
      return JSON.stringify({ sandboxId, message, code });
  }
}

/** Escaped, 59 KB of `<` would become a 350 KB answer to anyone who asks. */
const ECHOED_PATH_MAX = 1024;

function echoedPath(requestTarget: string): string | undefined {
  return internalPath(requestTarget)?.slice(0, ECHOED_PATH_MAX);
}

function pageFor(deny: Deny, refusal: { title: string; message: string }, request: GateRequest): string {
  const { sandboxId, port } = deny;
  if (deny.reason === 'port_closed') return closedPortPage(sandboxId ?? '', String(port ?? ''));
  if (deny.reason === 'control_plane_path') return renderPage({ ...refusal, path: echoedPath(request.path) });
  return renderPage({ ...refusal, sandboxId });
}

/** Escapes as Go's JSON encoder does, so that an echoed path cannot close a script element that it is pasted into. */
function scriptSafe(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function headersFor(reason: Reason): Header[] {
  return [[REASON_HEADER, reason], ...ANSWER_HEADERS];
}

/** Token characters, commas and spaces, at most 1 KiB: nothing that could start another header. */
const ECHOABLE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z, ]{1,1024}$/;

function preflightHeaders(request: GateRequest): Header[] {
  const { methods, headers } = preflightEcho(request);
  const echoed: Header[] = [
    ['access-control-allow-methods', methods],
    ['access-control-allow-headers', headers],
  ];
  return [...echoed.filter(([, value]) => value !== ''), ['access-control-max-age', '600']];
}

/** The method and header names that a preflight asks for; empty if there are none that may be echoed. */
export function preflightEcho({ requestMethod = '', requestHeaders = '' }: GateRequest): {
  methods: string;
  headers: string;
} {
  return {
    methods: ECHOABLE.test(requestMethod) ? requestMethod : '',
    headers: ECHOABLE.test(requestHeaders) ? requestHeaders : '',
  };
}
