import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { answerFor } from '../../src/decision/answer.ts';
import type { Answer, Deny } from '../../src/decision/decision.ts';
import { PAGE_CSP } from '../../src/decision/pages.ts';
import { BROWSER, preflightOf, requestOf } from './request.ts';

type Reason = Deny['reason'];

function answer(reason: Reason, request = requestOf(), parts: Partial<Deny> = {}): Answer {
  return answerFor({ kind: 'deny', reason, sandboxId: 'ID', port: 8080, ...parts }, request);
}

function headersOf({ headers }: Answer): Record<string, string> {
  expect(new Set(headers.map(([name]) => name)).size).toBe(headers.length);
  return Object.fromEntries(headers);
}

/** Copied from docs/contract.md §3. */
const JSON_ANSWERS: [reason: Reason, status: number, body: string, title: string][] = [
  [
    'token_missing',
    403,
    `{"sandboxId":"ID","message":"Sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is missing","code":403}`,
    'Missing Traffic Access Token',
  ],
  [
    'token_invalid',
    403,
    `{"sandboxId":"ID","message":"Sandbox is secured with traffic access token. Provided token in header 'e2b-traffic-access-token' is invalid","code":403}`,
    'Invalid Traffic Access Token',
  ],
  [
    'sandbox_not_found',
    502,
    '{"sandboxId":"ID","message":"The sandbox was not found","code":502}',
    'Sandbox Not Found',
  ],
  [
    'port_closed',
    502,
    '{"sandboxId":"ID","message":"The sandbox is running but port is not open","port":8080,"code":502}',
    'Closed Port Error',
  ],
  [
    'control_plane_path',
    404,
    '{"message":"This endpoint is reserved for the E2B control plane and is not reachable through the sandbox URL","path":"/init","code":404}',
    'Endpoint Not Available',
  ],
  [
    'sandbox_transitioning',
    409,
    '{"sandboxId":"ID","message":"The sandbox is still transitioning. Try again in a moment.","code":409}',
    'Sandbox Still Transitioning',
  ],
  [
    'unavailable',
    503,
    '{"message":"The access check is temporarily unavailable. Try again in a moment.","code":503}',
    'Temporarily Unavailable',
  ],
];

const COMMON = {
  'access-control-allow-origin': '*',
  'cache-control': 'no-store',
  vary: 'accept, sec-fetch-mode, user-agent',
};

test.each(JSON_ANSWERS)('%s is %i in JSON, byte for byte', (reason, status, body) => {
  const given = answer(reason, requestOf({ path: '/init' }));
  expect({ status: given.status, body: given.body }).toEqual({ status, body });
  expect(headersOf(given)).toEqual({
    ...COMMON,
    'content-type': 'application/json; charset=utf-8',
    'x-sandgate-reason': reason,
    ...(status === 503 && { 'retry-after': '1' }),
  });
});

test.each(JSON_ANSWERS)('%s is %i as a page for a browser', (reason, status, _body, title) => {
  const given = answer(reason, requestOf({ path: '/init', ...BROWSER }));
  expect(given.status).toBe(status);
  expect(given.body).toMatch(/^<!DOCTYPE html><html[\s\S]*<\/html>$/);
  expect(given.body).toContain(`<title>${title}</title>`);
  expect(given.body).toContain('<meta name="robots" content="noindex">');
  expect(given.body).toContain(
    reason === 'control_plane_path' ? '<dt>Path</dt><dd>/init</dd>' : '<dt>Sandbox</dt><dd>ID</dd>',
  );
  expect(headersOf(given)).toEqual({
    ...COMMON,
    'content-type': 'text/html; charset=utf-8',
    'x-sandgate-reason': reason,
    'content-security-policy': PAGE_CSP,
    'x-content-type-options': 'nosniff',
    ...(status === 503 && { 'retry-after': '1' }),
  });
});

test.each<[reason: Reason, body: string]>([
  ['missing_header', 'missing header\n'],
  ['invalid_host', 'Invalid host\n'],
  ['invalid_sandbox_id', 'Invalid sandbox ID\n'],
  ['invalid_sandbox_port', 'Invalid sandbox port\n'],
])('%s is 400 in plain text, for browsers too', (reason, body) => {
  for (const request of [requestOf(), requestOf(BROWSER)]) {
    const given = answerFor({ kind: 'deny', reason }, request);
    expect({ status: given.status, body: given.body }).toEqual({ status: 400, body });
    expect(headersOf(given)).toEqual({
      ...COMMON,
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'x-sandgate-reason': reason,
    });
  }
});

test('the path of a control-plane answer is cut at 1,024 characters, so that a refusal is never larger than its request', () => {
  const { body } = answer('control_plane_path', requestOf({ path: `/init;${'<'.repeat(58_000)}` }));
  expect(JSON.parse(body).path).toBe(`/init;${'<'.repeat(1018)}`);
  expect(Buffer.byteLength(body)).toBeLessThan(8192);
});

test('the path of a control-plane answer is decoded once, not cleaned, and safe inside a script', () => {
  const path = (requestTarget: string) => {
    const { body } = answer('control_plane_path', requestOf({ path: requestTarget }));
    return body.slice(body.indexOf('"path":') + 7, body.indexOf(',"code"'));
  };
  expect(path('/x/../%69nit?y=1')).toBe('"/x/../init"');
  expect(path('/%3Cscript>&/../init')).toBe('"/\\u003cscript\\u003e\\u0026/../init"');
  expect(path('/%e2%80%a8%e2%80%a9/../init')).toBe('"/\\u2028\\u2029/../init"');
  expect(path('/%22%0a/../init')).toBe('"/\\"\\n/../init"');
});

test('the closed-port page says that no service is running on the port', () => {
  expect(answer('port_closed', requestOf(BROWSER)).body).toContain('no service running on port 8080');
});

test('a page escapes its fields', () => {
  const { body } = answer('sandbox_not_found', requestOf(BROWSER), { sandboxId: `"'><script>&` });
  expect(body).toContain('&quot;&#39;&gt;&lt;script&gt;&amp;');
  expect(body).not.toContain('<script');
});

test('the CSP has the hash of the only style block, and the page loads nothing', () => {
  const { body } = answer('token_missing', requestOf(BROWSER));
  const styles = [...body.matchAll(/<style>([\s\S]*?)<\/style>/g)];
  expect(styles).toHaveLength(1);
  const hash = createHash('sha256')
    .update(styles[0]?.[1] ?? '')
    .digest('base64');
  expect(PAGE_CSP).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  );
  expect(body).not.toMatch(/https?:|\bsrc=|\bhref=|style=|@import|url\(/);
});

test('a preflight echoes the requested method and headers', () => {
  const given = answerFor(
    { kind: 'preflight' },
    preflightOf({ requestMethod: 'PUT', requestHeaders: 'x-a, e2b-traffic-access-token' }),
  );
  expect({ status: given.status, body: given.body }).toEqual({ status: 204, body: '' });
  expect(headersOf(given)).toEqual({
    ...COMMON,
    'x-sandgate-reason': 'preflight',
    'access-control-allow-methods': 'PUT',
    'access-control-allow-headers': 'x-a, e2b-traffic-access-token',
    'access-control-max-age': '600',
  });
});

test.each(['x-a\r\nset-cookie: a=b', 'x-a:b', 'x-a;b', 'é', 'x\0', '"x"', '', 'a'.repeat(1025)])(
  'a preflight does not echo %j',
  (text) => {
    const given = headersOf(
      answerFor({ kind: 'preflight' }, preflightOf({ requestMethod: text, requestHeaders: text })),
    );
    expect(given).not.toHaveProperty('access-control-allow-methods');
    expect(given).not.toHaveProperty('access-control-allow-headers');
  },
);

test('a preflight echoes 1 KiB', () => {
  const requestHeaders = 'a'.repeat(1024);
  const given = headersOf(answerFor({ kind: 'preflight' }, preflightOf({ requestHeaders })));
  expect(given['access-control-allow-headers']).toBe(requestHeaders);
});
