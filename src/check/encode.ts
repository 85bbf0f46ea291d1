import { preflightEcho } from '../decision/answer.ts';
import { isPreflight } from '../decision/decide.ts';
import type { Allow, Answer, GateContext, GateRequest } from '../decision/decision.ts';
import { SandgateError } from '../errors.ts';
import {
  FORWARDED_HOST_HEADER,
  NODE_PROXY_KEY_HEADER,
  REQUEST_HEADERS,
  STREAM_DURATION_HEADER,
} from '../target/headers.ts';
import { FIELDS } from './field-numbers.ts';
import { bytesField, encodeStruct, textField, varintField, type WireBytes } from './wire-writer.ts';

const {
  status: RESPONSE_STATUS,
  denied_response: RESPONSE_DENIED,
  ok_response: RESPONSE_OK,
  dynamic_metadata: RESPONSE_METADATA,
} = FIELDS.CheckResponse;
const {
  headers: OK_HEADERS,
  headers_to_remove: OK_HEADERS_TO_REMOVE,
  response_headers_to_add: OK_RESPONSE_HEADERS,
} = FIELDS.OkHttpResponse;
const { status: DENIED_STATUS, headers: DENIED_HEADERS, body: DENIED_BODY } = FIELDS.DeniedHttpResponse;
const { code: HTTP_STATUS_CODE } = FIELDS.HttpStatus;
const { code: STATUS_CODE } = FIELDS['google.rpc.Status'];
const { header: OPTION_HEADER, append: OPTION_APPEND } = FIELDS.HeaderValueOption;
const { value: BOOL_VALUE } = FIELDS['google.protobuf.BoolValue'];
const { key: HEADER_KEY, value: HEADER_VALUE } = FIELDS.HeaderValue;

/** A google.rpc code of 0 is an allow to Envoy, whatever else the message says; any other code is a denial. */
const OK = bytesField(RESPONSE_STATUS, '');
const PERMISSION_DENIED = bytesField(RESPONSE_STATUS, varintField(STATUS_CODE, 7));

const ROUTING_HEADERS = [REQUEST_HEADERS.sandboxId, REQUEST_HEADERS.sandboxPort];
const REMOVE_ROUTING = removals(ROUTING_HEADERS);
const REMOVE_ALL = removals([REQUEST_HEADERS.token, ...ROUTING_HEADERS]);

/** An explicit `append: false`: Envoy 1.37.0 took an absent `append` for true (envoyproxy/envoy#43310). */
const REPLACE = bytesField(OPTION_APPEND, '');

const APPEND = bytesField(OPTION_APPEND, varintField(BOOL_VALUE, 1));

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
/** Envoy's own limit on a name and on a value, in bytes. */
const MAX_LENGTH = 16_384;

/**
 * Appended to the sandbox's own `vary`: a cache in front of Envoy must give an answer to no request that lacks the token,
 * or that names another sandbox on a shared host.
 */
const VARY_BY_TOKEN = appendedHeader('vary', REQUEST_HEADERS.token);
const VARY_BY_ROUTING = appendedHeader('vary', ROUTING_HEADERS.join(', '));

/**
 * The CheckResponse of an allow. `html`: whether Envoy's own closed-port answer should be a page.
 * `nodeProxyKey` goes only to node proxies: a sandbox that is dialed directly would learn it. Throws ANSWER_INVALID if the gate routes and there is no destination: Envoy would choose one by other means.
 */
export function encodeAllow(
  allow: Allow,
  request: GateRequest,
  html: boolean,
  routing: GateContext['routing'],
  nodeProxyKey?: string,
): Buffer {
  const { sandboxId, port, targetFrom, policy, grant, destination, upstreamHost, streamMs } = allow;
  if (destination === undefined && routing === 'gate') {
    throw new SandgateError('ANSWER_INVALID', 'an allow has no destination');
  }
  // A refused token is never passed on, not even in shadow mode.
  const forwards = policy.forwardToken && grant.by !== 'shadow';
  let ok = forwards ? REMOVE_ROUTING : REMOVE_ALL;
  if (upstreamHost !== undefined) {
    ok += okHeader('host', upstreamHost) + okHeader(FORWARDED_HOST_HEADER, request.host);
  }
  // With `--routing ingress`, the gate does not know where the request goes.
  if (nodeProxyKey !== undefined && routing === 'gate' && policy.route?.port !== undefined) {
    ok += okHeader(NODE_PROXY_KEY_HEADER, nodeProxyKey);
  }
  if (streamMs !== undefined) ok += okHeader(STREAM_DURATION_HEADER, String(streamMs));
  if (grant.by === 'token') ok += VARY_BY_TOKEN;
  if (targetFrom === 'headers') ok += VARY_BY_ROUTING;
  const echo = isPreflight(request) ? preflightEcho(request) : undefined;
  const metadata = encodeStruct({
    destination: destination && authority(destination),
    sandbox_id: sandboxId,
    port,
    html,
    tls: destination?.tls || undefined,
    // Both parts, since two sandboxes on one address may have equal incarnations and would share connections.
    pool_key: `${sandboxId}/${policy.incarnation}`,
    // Envoy's answer to a preflight that reaches nobody: without a 2xx, a browser never shows a script the 502.
    preflight: echo && true,
    allow_methods: echo?.methods,
    allow_headers: echo?.headers,
  });
  return message(OK + bytesField(RESPONSE_OK, ok) + bytesField(RESPONSE_METADATA, metadata));
}

/**
 * The CheckResponse of an answer that the client gets in place of the sandbox's. The metadata field `answered` makes
 * Envoy's local-reply mappers skip it. Throws ANSWER_INVALID for a status that is not a refusal.
 */
export function encodeAnswer(answer: Answer, sandboxId?: string): Buffer {
  const { status, headers, body } = answer;
  if (!Number.isInteger(status) || !(status === 204 || (status >= 400 && status <= 511))) {
    throw new SandgateError('ANSWER_INVALID', `an answer has the status ${status}`);
  }
  let denied = bytesField(DENIED_STATUS, varintField(HTTP_STATUS_CODE, status));
  for (const [name, value] of headers) denied += bytesField(DENIED_HEADERS, headerOption(name, value));
  if (body !== '') denied += textField(DENIED_BODY, body);
  const metadata = encodeStruct({ answered: true, sandbox_id: sandboxId });
  return message(
    PERMISSION_DENIED + bytesField(RESPONSE_DENIED, denied) + bytesField(RESPONSE_METADATA, metadata),
  );
}

function okHeader(name: string, value: string): WireBytes {
  return bytesField(OK_HEADERS, headerOption(name, value));
}

function appendedHeader(name: string, value: string): WireBytes {
  return bytesField(OK_RESPONSE_HEADERS, headerOption(name, value, APPEND));
}

function removals(names: readonly string[]): WireBytes {
  return names.map((name) => bytesField(OK_HEADERS_TO_REMOVE, name)).join('');
}

function authority({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function message(bytes: WireBytes): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/**
 * A HeaderValueOption that sets a header, or appends one. The value goes in `value`: Envoy ignores `raw_value` in a denied response.
 * Throws ANSWER_INVALID for anything that could end the header and start another.
 */
function headerOption(name: string, value: string, append = REPLACE): WireBytes {
  if (!NAME.test(name) || !VALUE.test(value) || name.length > MAX_LENGTH || value.length > MAX_LENGTH) {
    throw new SandgateError(
      'ANSWER_INVALID',
      'a header of the answer has a name or value that HTTP does not allow',
    );
  }
  const header = bytesField(HEADER_KEY, name) + bytesField(HEADER_VALUE, value);
  return bytesField(OPTION_HEADER, header) + append;
}
