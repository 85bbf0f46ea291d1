import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { answerFor } from '../../src/decision/answer.ts';
import type { Deny } from '../../src/decision/decision.ts';
import { GRPC_STATUS, grpcHeaders } from '../../src/decision/grpc.ts';
import { closedPortPage, invalidTokenPage, unreadableAnswerPage } from '../../src/decision/pages.ts';
import { type EnvoyReason, REASONS, type Reason } from '../../src/decision/reasons.ts';
import { ENVOY_REFUSALS, REFUSALS } from '../../src/decision/refusals.ts';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';
import { requestOf } from '../decision/request.ts';

const ID = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:sandbox_id)%';
const PORT = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:port)%';

interface Mapper {
  status_code?: number;
  headers_to_add: { header: { key: string; value: string } }[];
  body?: { inline_string: string };
  body_format_override?: { content_type: string; text_format_source: { inline_string: string } };
}

const config = parse(await loadBundledConfig());
const manager = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
const { mappers } = manager.local_reply_config as { mappers: Mapper[] };

/** The gate's own answer, with Envoy's placeholders for the id and the port. */
function gateAnswer(reason: Deny['reason'], html: boolean) {
  const request = requestOf({ accept: html ? 'text/html' : '', userAgent: html ? 'Mozilla/5.0' : 'curl/8' });
  const { status, headers, body } = answerFor(
    { kind: 'deny', reason, sandboxId: 'SANDBOX', port: 65432 },
    request,
  );
  return {
    status,
    headers: Object.fromEntries(headers),
    body: body.replaceAll('SANDBOX', ID).replaceAll('65432', PORT),
  };
}

/** An answer that only Envoy makes, in the form of the gate's answer to `like`. */
function envoyAnswer(
  reason: EnvoyReason,
  like: { status?: number | undefined; headers: object },
  body: string,
) {
  return { status: like.status, headers: { ...like.headers, 'x-sandgate-reason': reason }, body };
}

function envoySays({ status_code, headers_to_add, body: own, body_format_override }: Mapper) {
  const headers = headers_to_add.map(({ header }) => [header.key, header.value]);
  return {
    status: status_code,
    headers: {
      ...Object.fromEntries(headers),
      ...(body_format_override && { 'content-type': body_format_override.content_type }),
    },
    body: own?.inline_string ?? body_format_override?.text_format_source.inline_string,
  };
}

const json = gateAnswer('port_closed', false);
const page = gateAnswer('port_closed', true);
const text = gateAnswer('invalid_host', false);
const unavailable = gateAnswer('unavailable', false);
const { upstream_protocol_error, upload_not_buffered, upgrade_refused, overloaded } = ENVOY_REFUSALS;
/** Field order as in the gate's own JSON; `PORT` is a number to the client. */
const withPort = ({ message, status }: { message: string; status: number }) =>
  `{"sandboxId":"${ID}","message":"${message}","port":${PORT},"code":${status}}`;
const badRequest = envoyAnswer(
  'bad_request',
  { ...text, status: undefined },
  'Bad request: %RESPONSE_CODE_DETAILS%\n',
);

const echo = (name: string) => `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:${name})%`;
const preflight = answerFor(
  { kind: 'preflight' },
  { ...requestOf(), requestMethod: 'METHOD', requestHeaders: 'HEADERS' },
);

const EXPECTED: [name: string, said: object][] = [
  [
    'preflight that reaches nobody',
    {
      status: preflight.status,
      headers: {
        ...Object.fromEntries(preflight.headers),
        'access-control-allow-methods': echo('allow_methods'),
        'access-control-allow-headers': echo('allow_headers'),
      },
      body: preflight.body,
    },
  ],
  ['token expired, page', gateAnswer('token_invalid', true)],
  ['token expired, JSON', gateAnswer('token_invalid', false)],
  [
    'unreadable answer, page',
    envoyAnswer(
      'upstream_protocol_error',
      page,
      unreadableAnswerPage('SANDBOX', '65432').replace('SANDBOX', ID).replace('65432', PORT),
    ),
  ],
  [
    'unreadable answer, JSON',
    envoyAnswer('upstream_protocol_error', json, withPort(upstream_protocol_error)),
  ],
  ['port closed, page', page],
  ['port closed, JSON', json],
  ['upstream failed, page', envoyAnswer('upstream_failed', page, page.body)],
  ['upstream failed, JSON', envoyAnswer('upstream_failed', json, json.body)],
  [
    'a head that became too large, of type application/grpc',
    { ...badRequest, status: 431, headers: { ...badRequest.headers, 'x-sandgate-status': '431' } },
  ],
  ['a head that became too large', { ...badRequest, status: 431 }],
  ['no gate', unavailable],
  [
    'upload too large to be kept',
    envoyAnswer('upload_not_buffered', { ...json, status: 507 }, withPort(upload_not_buffered)),
  ],
  [
    'upgrade refused',
    envoyAnswer('upgrade_refused', { ...text, status: 400 }, `${upgrade_refused.message}\n`),
  ],
  ['another 403 of Envoy', { ...badRequest, status: 400 }],
  [
    'a failed WebSocket handshake',
    { status: undefined, headers: { 'x-sandgate-reason': 'upgrade_refused' }, body: undefined },
  ],
  [
    'bad request of type application/grpc',
    { ...badRequest, headers: { ...badRequest.headers, 'x-sandgate-status': '%RESPONSE_CODE%' } },
  ],
  ['bad request', badRequest],
  [
    'overloaded',
    envoyAnswer('overloaded', unavailable, JSON.stringify({ message: overloaded.message, code: 503 })),
  ],
];

it.each(EXPECTED.map(([name, said], index) => [name, said, index] as const))(
  'Envoy gives its own answers in the form of the gate: %s',
  (_, said, index) => expect(envoySays(mappers[index]!)).toEqual(said),
);

it('has no other local reply', () => expect(mappers).toHaveLength(EXPECTED.length));

it('ends with a net for every local reply from 400 on that the gate did not make', () => {
  const net = mappers.slice(-3).map((mapper) => JSON.stringify((mapper as { filter?: object }).filter));
  for (const filter of net) expect(filter).toContain('"answered"');
  expect(net[1]).toContain('"op":"LE","value":{"default_value":499');
  expect(net[2]).toContain('"op":"GE","value":{"default_value":500');
});

it('has no text in the pages that Envoy would read as a format', () => {
  for (const html of [closedPortPage('', ''), invalidTokenPage(''), unreadableAnswerPage('', '')]) {
    expect(html).not.toContain('%');
  }
});

it('gives gRPC clients the status and message of each reason', () => {
  const filter = manager.http_filters.find(({ name }: { name: string }) => name === 'grpc_refusals');
  const script = filter.typed_config.extension_config.typed_config.default_source_code.inline_string;
  const rows = [...script.matchAll(/^ {2}(\w+) = \{ (\d+), (\d+), "(.*)" \},$/gm)];
  const said = rows.map(([, reason, status, grpc, message]: string[]) => [
    reason,
    { status: Number(status), grpc: Number(grpc), message },
  ]);
  const all = { ...REFUSALS, ...ENVOY_REFUSALS, preflight: { status: 204 } };
  const expected = (Object.keys(REASONS) as Reason[]).map((reason) => [
    reason,
    { status: all[reason].status, grpc: GRPC_STATUS[reason], message: grpcHeaders(reason)[2]![1] },
  ]);
  expect(Object.fromEntries(said)).toEqual(Object.fromEntries(expected));
});
