import { isDeepStrictEqual } from 'node:util';
import { answerFor } from '../decision/answer.ts';
import type { Allow, Answer, Deny, Preflight } from '../decision/decision.ts';
import { REFUSALS } from '../decision/refusals.ts';
import { SandgateError } from '../errors.ts';
import { checkResponseDecoder, type Decoded, type HeaderOption } from './check-response.ts';
import { encodeAllow, encodeAnswer } from './encode.ts';
import { EMPTY_REQUEST } from './handler.ts';

/**
 * Builds one answer of each kind and reads it back with a decoder that shares no code with the encoder: Envoy could
 * take a wrong CheckResponse for an allow. Throws ANSWER_INVALID.
 */
export function runSelfTest(): void {
  const decode = checkResponseDecoder();
  for (const allow of ALLOWS) {
    const request = { ...EMPTY_REQUEST, host: CLIENT_HOST };
    const decoded = decode(encodeAllow(allow, request, true, 'gate', NODE_PROXY_KEY));
    expectSame(allowOf(decoded), expectedAllow(allow), 'an allow');
  }
  const pages = { ...EMPTY_REQUEST, userAgent: 'Mozilla/5.0' };
  for (const request of [EMPTY_REQUEST, pages]) {
    for (const refusal of refusals()) {
      const answer = answerFor(refusal, request);
      const decoded = decode(encodeAnswer(answer, SANDBOX));
      expectSame(answerOf(decoded), answer, `the answer ${answer.status}`);
    }
  }
}

const SANDBOX = 'selftest';
const NODE_PROXY_KEY = 'key-of-the-self-test';
const CLIENT_HOST = '8080-selftest.example.com:8443';

const PLAIN: Allow = {
  kind: 'allow',
  sandboxId: SANDBOX,
  port: 8080,
  targetFrom: 'host',
  grant: { by: 'public' },
  policy: {
    sandboxId: SANDBOX,
    incarnation: 'first',
    version: 'none',
    state: 'running',
    endsAt: undefined,
    agentSelfAuthenticating: false,
    route: { address: '10.0.0.1', port: undefined },
    allowPublicTraffic: true,
    publicRefused: false,
    shadow: undefined,
    tokens: [],
    maskRequestHost: undefined,
    forwardToken: false,
  },
  destination: { address: '10.0.0.1', port: 8080 },
  upstreamHost: undefined,
  streamMs: undefined,
};

const ALLOWS: readonly Allow[] = [
  PLAIN,
  {
    ...PLAIN,
    policy: { ...PLAIN.policy, forwardToken: true },
    destination: { address: 'fd00::1', port: 65_535, tls: true },
    upstreamHost: 'localhost:8080',
    streamMs: 90_000,
    targetFrom: 'headers',
    grant: { by: 'token', tokenId: 't', tokenLabel: undefined },
  },
  {
    ...PLAIN,
    policy: { ...PLAIN.policy, route: { address: '10.0.0.2', port: 5007 } },
    destination: { address: '10.0.0.2', port: 5007 },
    upstreamHost: '8080-selftest.example.com',
  },
];

function refusals(): (Deny | Preflight)[] {
  const reasons = Object.keys(REFUSALS) as Deny['reason'][];
  const denials = reasons.map((reason): Deny => ({ kind: 'deny', reason, sandboxId: SANDBOX, port: 8080 }));
  return [...denials, { kind: 'preflight' }];
}

/**
 * Repeats the header names on purpose: the encoder takes them from `target/headers.ts`, and a wrong name there must
 * fail this test.
 */
function expectedAllow({ destination, upstreamHost, streamMs, targetFrom, grant, port, policy }: Allow) {
  const address = destination?.address.includes(':') ? `[${destination.address}]` : destination?.address;
  const headers: [string, string | undefined][] = [
    ['host', upstreamHost],
    ['x-forwarded-host', upstreamHost && CLIENT_HOST],
    ['x-sandgate-node-proxy-key', policy.route?.port === undefined ? undefined : NODE_PROXY_KEY],
    ['x-envoy-upstream-stream-duration-ms', streamMs === undefined ? undefined : String(streamMs)],
  ];
  return {
    code: 0,
    headers: headers.filter(([, value]) => value !== undefined),
    removed: [
      ...(policy.forwardToken ? [] : ['e2b-traffic-access-token']),
      'e2b-sandbox-id',
      'e2b-sandbox-port',
    ],
    appended: [
      ...(grant.by === 'token' ? [['vary', 'e2b-traffic-access-token']] : []),
      ...(targetFrom === 'headers' ? [['vary', 'e2b-sandbox-id, e2b-sandbox-port']] : []),
    ],
    metadata: {
      destination: { stringValue: `${address}:${destination?.port}` },
      sandbox_id: { stringValue: SANDBOX },
      port: { numberValue: port },
      html: { boolValue: true },
      ...(destination?.tls && { tls: { boolValue: true } }),
      pool_key: { stringValue: `${SANDBOX}/first` },
    },
  };
}

function allowOf(decoded: Decoded) {
  const { status, ok_response: ok, denied_response, error_response, dynamic_metadata } = decoded;
  if (ok === undefined || denied_response !== undefined || error_response !== undefined) return undefined;
  return {
    code: status?.code ?? 0,
    headers: setHeaders(ok.headers),
    removed: ok.headers_to_remove,
    appended: appendedHeaders(ok.response_headers_to_add),
    metadata: dynamic_metadata?.fields,
  };
}

/** The answer that Envoy would give, or undefined if it would not deny. */
function answerOf(decoded: Decoded): Answer | undefined {
  const { status, ok_response, denied_response: denied, error_response, dynamic_metadata } = decoded;
  const metadata = { answered: { boolValue: true }, sandbox_id: { stringValue: SANDBOX } };
  if (!status?.code || denied?.status?.code === undefined) return undefined;
  if (ok_response !== undefined || error_response !== undefined) return undefined;
  if (!isDeepStrictEqual(dynamic_metadata?.fields, metadata)) return undefined;
  return { status: denied.status.code, headers: setHeaders(denied.headers), body: denied.body ?? '' };
}

function setHeaders(options: readonly HeaderOption[] = []): [string, string][] {
  return options.filter(({ append }) => append && !append.value).map(nameAndValue);
}

function appendedHeaders(options: readonly HeaderOption[] = []): [string, string][] {
  return options.filter(({ append }) => append?.value).map(nameAndValue);
}

function nameAndValue({ header }: HeaderOption): [string, string] {
  return [header.key ?? '', header.value ?? ''];
}

function expectSame(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new SandgateError('ANSWER_INVALID', `the self-test did not read ${what} back as it was built`);
}
