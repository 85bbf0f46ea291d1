import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { answerFor } from '../../src/decision/answer.ts';
import type { Deny, GateRequest } from '../../src/decision/decision.ts';
import { closedPortPage, invalidTokenPage } from '../../src/decision/pages.ts';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';

const ID = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:sandbox_id)%';
const PORT = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:port)%';

interface Mapper {
  status_code: number;
  headers_to_add: { header: { key: string; value: string } }[];
  body_format_override: { content_type: string; text_format_source: { inline_string: string } };
}

const config = parse(await loadBundledConfig());
const { mappers } = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config
  .local_reply_config as { mappers: Mapper[] };

/** The gate's own answer, with Envoy's placeholders for the id and the port. */
function gateAnswer(reason: Deny['reason'], html: boolean) {
  const request: GateRequest = {
    method: 'GET',
    host: '8080-abc.e2b.localhost',
    path: '/',
    sandboxId: { kind: 'absent' },
    sandboxPort: { kind: 'absent' },
    token: { kind: 'absent' },
    accept: html ? 'text/html' : '',
    userAgent: html ? 'Mozilla/5.0' : 'curl/8',
    secFetchMode: '',
    requestedWith: '',
    origin: undefined,
    requestMethod: undefined,
    requestHeaders: undefined,
    requestId: '',
    traceparent: '',
    clientAddress: '',
    peerAddress: '',
  };
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

function envoySays({ status_code, headers_to_add, body_format_override }: Mapper) {
  const headers = headers_to_add.map(({ header }) => [header.key, header.value]);
  return {
    status: status_code,
    headers: { ...Object.fromEntries(headers), 'content-type': body_format_override.content_type },
    body: body_format_override.text_format_source.inline_string,
  };
}

const upstreamFailed = (html: boolean) => {
  const said = gateAnswer('port_closed', html);
  return { ...said, headers: { ...said.headers, 'x-sandgate-reason': 'upstream_failed' } };
};

it.each(
  [
    ['token expired, page', () => gateAnswer('token_invalid', true)],
    ['token expired, JSON', () => gateAnswer('token_invalid', false)],
    ['port closed, page', () => gateAnswer('port_closed', true)],
    ['port closed, JSON', () => gateAnswer('port_closed', false)],
    ['upstream failed, page', () => upstreamFailed(true)],
    ['upstream failed, JSON', () => upstreamFailed(false)],
    ['overloaded', () => gateAnswer('unavailable', false)],
    ['no gate', () => gateAnswer('unavailable', false)],
  ].map(([name, said], index) => [name, said, index] as [string, () => unknown, number]),
)('Envoy gives the same answer as the gate: %s', (_, said, index) => {
  expect(envoySays(mappers[index]!)).toEqual(said());
});

it('has no other local reply', () => expect(mappers).toHaveLength(8));

it('has no text in the pages that Envoy would read as a format', () => {
  for (const page of [closedPortPage('', ''), invalidTokenPage('')]) expect(page).not.toContain('%');
});
