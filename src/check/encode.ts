import type { Allow, Answer, GateRequest, Site } from '../decision/decision.ts';
import { SandgateError } from '../errors.ts';
import { FORWARDED_HOST_HEADER, REQUEST_HEADERS, STREAM_DURATION_HEADER } from '../target/headers.ts';
import { bytesField, encodeStruct, textField, varintField, type WireBytes } from './wire-writer.ts';

/** Field numbers of CheckResponse, OkHttpResponse, DeniedHttpResponse, HttpStatus and google.rpc.Status. */
const RESPONSE_STATUS = 1;
const RESPONSE_DENIED = 2;
const RESPONSE_OK = 3;
const RESPONSE_METADATA = 4;
const OK_HEADERS = 2;
const OK_HEADERS_TO_REMOVE = 5;
const DENIED_STATUS = 1;
const DENIED_HEADERS = 2;
const DENIED_BODY = 3;
const HTTP_STATUS_CODE = 1;
const STATUS_CODE = 1;

/** google.rpc codes. To Envoy 0 is an allow whatever else the message says, and every other one a denial. */
const OK = bytesField(RESPONSE_STATUS, '');
const PERMISSION_DENIED = bytesField(RESPONSE_STATUS, varintField(STATUS_CODE, 7));

const ROUTING_HEADERS = [REQUEST_HEADERS.sandboxId, REQUEST_HEADERS.sandboxPort];
const REMOVE_ROUTING = removals(ROUTING_HEADERS);
const REMOVE_ALL = removals([REQUEST_HEADERS.token, ...ROUTING_HEADERS]);

/** Field numbers of HeaderValueOption and HeaderValue. */
const OPTION_HEADER = 1;
const OPTION_APPEND = 2;
const HEADER_KEY = 1;
const HEADER_VALUE = 2;

/** `append: false`, said outright: Envoy 1.37.0 took silence for true (envoy#43310). */
const REPLACE = bytesField(OPTION_APPEND, '');

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
/** Envoy's own bound on a name and on a value, in bytes. */
const MAX_LENGTH = 16_384;

/**
 * The CheckResponse of an allow. `html`: whether Envoy's own closed-port answer should be a page.
 * Throws ANSWER_INVALID where there is no destination although the gate routes: Envoy would dial by other means.
 */
export function encodeAllow(
  allow: Allow,
  request: Pick<GateRequest, 'host'>,
  html: boolean,
  routing: Site['routing'],
): Buffer {
  const { sandboxId, port, policy, grant, destination, upstreamHost, streamMs } = allow;
  if (destination === undefined && routing === 'gate') {
    throw new SandgateError('ANSWER_INVALID', 'An allow names no destination.');
  }
  // A token that was refused is nobody's to pass on, shadow mode or not.
  const forwards = policy.forwardToken && grant.by !== 'shadow';
  let ok = forwards ? REMOVE_ROUTING : REMOVE_ALL;
  if (upstreamHost !== undefined) {
    ok += okHeader('host', upstreamHost) + okHeader(FORWARDED_HOST_HEADER, request.host);
  }
  if (streamMs !== undefined) ok += okHeader(STREAM_DURATION_HEADER, String(streamMs));
  const metadata = encodeStruct({
    destination: destination && authority(destination),
    sandbox_id: sandboxId,
    port,
    html,
    // Both parts: two sandboxes on one address may have the same incarnation text, and would share a connection.
    pool_key: `${sandboxId}/${policy.incarnation}`,
  });
  return message(OK + bytesField(RESPONSE_OK, ok) + bytesField(RESPONSE_METADATA, metadata));
}

/**
 * The CheckResponse of an answer that the client gets in place of the sandbox's. Metadata `answered` keeps Envoy's
 * local-reply mappers off it. Throws ANSWER_INVALID for a status that is no refusal.
 */
export function encodeAnswer(answer: Answer, sandboxId?: string): Buffer {
  const { status, headers, body } = answer;
  if (!Number.isInteger(status) || !(status === 204 || (status >= 400 && status <= 511))) {
    throw new SandgateError('ANSWER_INVALID', `An answer has the status ${status}.`);
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
 * A HeaderValueOption that sets a header. The value goes in `value`: Envoy ignores `raw_value` in a denied response.
 * Throws ANSWER_INVALID for anything that could end the header and start another.
 */
function headerOption(name: string, value: string): WireBytes {
  if (!NAME.test(name) || !VALUE.test(value) || name.length > MAX_LENGTH || value.length > MAX_LENGTH) {
    throw new SandgateError(
      'ANSWER_INVALID',
      'A header of the answer has a name or value that HTTP does not allow.',
    );
  }
  const header = bytesField(HEADER_KEY, name) + bytesField(HEADER_VALUE, value);
  return bytesField(OPTION_HEADER, header) + REPLACE;
}
