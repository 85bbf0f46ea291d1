import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeAllow, encodeAnswer } from '../../src/check/encode.ts';
import { answerFor } from '../../src/decision/answer.ts';
import type { Allow, Answer, Deny } from '../../src/decision/decision.ts';
import { REFUSALS } from '../../src/decision/refusals.ts';
import { anyText } from '../any-text.ts';
import { BROWSER, ID, policyOf, preflightOf, requestOf } from '../decision/request.ts';
import { CheckResponse } from './oracle.ts';

const invalid = expect.objectContaining({ code: 'ANSWER_INVALID' });

function allowOf(parts: Partial<Allow> = {}): Allow {
  return {
    kind: 'allow',
    sandboxId: ID,
    port: 8080,
    targetFrom: 'host',
    grant: { by: 'public' },
    policy: policyOf(),
    destination: { address: '10.0.3.7', port: 8080 },
    upstreamHost: undefined,
    streamMs: undefined,
    ...parts,
  };
}

function decoded(bytes: Buffer): Record<string, unknown> {
  return CheckResponse.toObject(CheckResponse.decode(bytes));
}

const option = (key: string, value: string) => ({ header: { key, value }, append: {} });

test('a plain allow names the destination and strips the three headers', () => {
  expect(decoded(encodeAllow(allowOf(), requestOf(), false, 'gate'))).toEqual({
    status: {},
    ok_response: { headers_to_remove: ['e2b-traffic-access-token', 'e2b-sandbox-id', 'e2b-sandbox-port'] },
    dynamic_metadata: {
      fields: {
        destination: { stringValue: '10.0.3.7:8080' },
        sandbox_id: { stringValue: ID },
        port: { numberValue: 8080 },
        html: { boolValue: false },
        pool_key: { stringValue: `${ID}/first` },
      },
    },
  });
});

test.each([
  ['a public sandbox at its own host', { grant: { by: 'public' }, targetFrom: 'host' }, []],
  [
    'a token',
    { grant: { by: 'token', tokenId: 'a', tokenLabel: undefined }, targetFrom: 'host' },
    ['e2b-traffic-access-token'],
  ],
  [
    'the routing headers of a shared host',
    { grant: { by: 'public' }, targetFrom: 'headers' },
    ['e2b-sandbox-id, e2b-sandbox-port'],
  ],
  [
    'a token on a shared host',
    { grant: { by: 'token', tokenId: 'a', tokenLabel: undefined }, targetFrom: 'headers' },
    ['e2b-traffic-access-token', 'e2b-sandbox-id, e2b-sandbox-port'],
  ],
] as [string, Partial<Allow>, string[]][])('answers vary by what decided: %s', (_what, parts, names) => {
  const { ok_response } = decoded(encodeAllow(allowOf(parts), requestOf(), false, 'gate'));
  const added = names.map((value) => ({ header: { key: 'vary', value }, append: { value: true } }));
  expect((ok_response as { response_headers_to_add?: object[] }).response_headers_to_add ?? []).toEqual(
    added,
  );
});

test('an allow says so if the destination is dialed with TLS', () => {
  const destination = { address: '10.0.3.7', port: 8443, tls: true };
  expect(decoded(encodeAllow(allowOf({ destination }), requestOf(), false, 'gate'))).toMatchObject({
    dynamic_metadata: { fields: { tls: { boolValue: true } } },
  });
});

test('a token to be forwarded stays, unless shadow mode allowed the request', () => {
  const removed = (parts: Partial<Allow>) => {
    const allow = allowOf({ policy: policyOf({ forwardToken: true }), ...parts });
    return decoded(encodeAllow(allow, requestOf(), false, 'gate')).ok_response;
  };
  const routing = ['e2b-sandbox-id', 'e2b-sandbox-port'];
  const refused = { by: 'shadow', reason: 'token_invalid', detail: undefined } as const;
  expect(removed({})).toEqual({ headers_to_remove: routing });
  expect(removed({ grant: refused })).toEqual({
    headers_to_remove: ['e2b-traffic-access-token', ...routing],
  });
});

const ports = fc.integer({ min: 1, max: 65_535 });
const hosts = fc.stringMatching(/^[a-z0-9.:-]{1,80}$/);

const allows = fc
  .record({
    port: ports,
    destination: fc.record({ address: fc.constantFrom('10.0.3.7', 'fd00::1'), port: ports }),
    upstreamHost: fc.option(hosts, { nil: undefined }),
    streamMs: fc.option(fc.integer({ min: 1, max: 2 ** 45 }), { nil: undefined }),
    policy: fc
      .record({ forwardToken: fc.boolean(), incarnation: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/) })
      .map(policyOf),
  })
  .map(allowOf);

test('every allow decodes to its decision', () => {
  fc.assert(
    fc.property(
      allows,
      hosts,
      fc.boolean(),
      fc.constantFrom('gate', 'ingress'),
      (allow, host, html, routing) => {
        const { destination, upstreamHost, streamMs, policy, port } = allow;
        const { ok_response, dynamic_metadata, status, ...rest } = decoded(
          encodeAllow(allow, requestOf({ host }), html, routing),
        );
        const headers = [
          ...(upstreamHost === undefined
            ? []
            : [option('host', upstreamHost), option('x-forwarded-host', host)]),
          ...(streamMs === undefined
            ? []
            : [option('x-envoy-upstream-stream-duration-ms', String(streamMs))]),
        ];
        const token = policy.forwardToken ? [] : ['e2b-traffic-access-token'];
        expect({ status, rest }).toEqual({ status: {}, rest: {} });
        expect(ok_response).toEqual({
          ...(headers.length > 0 && { headers }),
          headers_to_remove: [...token, 'e2b-sandbox-id', 'e2b-sandbox-port'],
        });
        const address = destination?.address === 'fd00::1' ? '[fd00::1]' : destination?.address;
        expect(dynamic_metadata).toEqual({
          fields: {
            destination: { stringValue: `${address}:${destination?.port}` },
            sandbox_id: { stringValue: ID },
            port: { numberValue: port },
            html: { boolValue: html },
            pool_key: { stringValue: `${ID}/${policy.incarnation}` },
          },
        });
      },
    ),
  );
});

test('the node proxy key goes to node proxies only, and only where the gate routes', () => {
  const headers = (port: number | undefined, routing: 'gate' | 'ingress', key: string | undefined) => {
    const allow = allowOf({ policy: policyOf({ route: { address: '10.0.3.7', port } }) });
    return decoded(encodeAllow(allow, requestOf(), false, routing, key)).ok_response;
  };
  const none = expect.not.objectContaining({ headers: expect.anything() });
  expect(headers(5007, 'gate', 'k')).toMatchObject({ headers: [option('x-sandgate-node-proxy-key', 'k')] });
  expect(headers(undefined, 'gate', 'k')).toEqual(none);
  expect(headers(5007, 'ingress', 'k')).toEqual(none);
  expect(headers(5007, 'gate', undefined)).toEqual(none);
});

test('an allow without a destination cannot be built if the gate routes', () => {
  const allow = allowOf({ destination: undefined });
  expect(() => encodeAllow(allow, requestOf(), false, 'gate')).toThrow(invalid);
  const { dynamic_metadata } = decoded(encodeAllow(allow, requestOf(), false, 'ingress'));
  expect(dynamic_metadata).not.toHaveProperty('fields.destination');
});

const denials = fc
  .record({
    reason: fc.constantFrom(...(Object.keys(REFUSALS) as Deny['reason'][])),
    sandboxId: fc.constant(ID),
    port: ports,
  })
  .map((parts): Deny => ({ kind: 'deny', ...parts }));

test('every refusal decodes to its answer, as a denial, marked as answered', () => {
  const requests = fc.constantFrom(
    requestOf(),
    requestOf(BROWSER),
    requestOf({ path: '/é/../init' }),
    preflightOf(),
  );
  fc.assert(
    fc.property(
      fc.oneof(denials, fc.constant({ kind: 'preflight' } as const)),
      requests,
      (decision, request) => {
        const answer = answerFor(decision, request);
        const { body, headers, status } = answer;
        expect(decoded(encodeAnswer(answer, ID))).toEqual({
          status: { code: 7 },
          denied_response: {
            status: { code: status },
            headers: headers.map(([name, value]) => option(name, value)),
            ...(body !== '' && { body }),
          },
          dynamic_metadata: { fields: { answered: { boolValue: true }, sandbox_id: { stringValue: ID } } },
        });
      },
    ),
  );
});

test('any body is decoded unchanged, except for lone surrogates', () => {
  fc.assert(
    fc.property(anyText(), (body) => {
      const { denied_response } = decoded(encodeAnswer({ status: 502, headers: [], body }));
      expect(denied_response).toEqual({ status: { code: 502 }, ...(body !== '' && { body }) });
    }),
  );
  expect(decoded(encodeAnswer({ status: 502, headers: [], body: '\ud800' }))).toHaveProperty(
    'denied_response.body',
    '\ufffd',
  );
});

test.each([0, 100, 200, 201, 302, 304, 399, 403.5, Number.NaN, -1, 512, 600, 2 ** 32 + 403])(
  'an answer with status %d cannot be built',
  (status) => {
    expect(() => encodeAnswer({ status, headers: [], body: '' })).toThrow(invalid);
  },
);

test.each<[name: string, value: string]>([
  ['a', 'b\r\nset-cookie: c'],
  ['a', 'b\nc'],
  ['a', '\0'],
  ['a', '\u007f'],
  ['a', 'é'],
  ['a', '\u2028'],
  ['a', 'x'.repeat(16_385)],
  ['', 'b'],
  ['A', 'b'],
  ['a b', 'c'],
  ['a:', 'b'],
  ['a\n', 'b'],
  [':status', '200'],
])('a header %j: %j cannot be built', (name, value) => {
  const answer: Answer = { status: 403, headers: [[name, value]], body: '' };
  expect(() => encodeAnswer(answer)).toThrow(invalid);
});

test('a client host that could end the header is not passed on', () => {
  const allow = allowOf({ upstreamHost: 'localhost' });
  expect(() => encodeAllow(allow, requestOf({ host: 'a\r\nb: c' }), false, 'gate')).toThrow(invalid);
});
