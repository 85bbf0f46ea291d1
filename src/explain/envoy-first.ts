import type { ClientRequest } from '../check/check-request.ts';
import { ANSWER_HEADERS, NO_SNIFF, TEXT_TYPE } from '../decision/answer.ts';
import type { Answer } from '../decision/decision.ts';
import { ENVOY_REFUSALS } from '../decision/refusals.ts';
import { REASON_HEADER } from '../target/headers.ts';

/** An answer of Envoy that the gate has no part in. */
export interface EnvoyAnswer {
  reason: 'bad_request' | 'upgrade_refused';
  /** Why, in our words. */
  found: string;
  answer: Answer;
}

/** The bundled Envoy's own limits; Host counts as a header. */
export const MOST_HEADERS = 108;
export const MOST_HEADER_BYTES = 60 * 1024;

/**
 * Once the gate has allowed a request and removes or sets a header, Envoy checks the limit again, with the eight headers and
 * pseudo-headers that it has added meanwhile. In its log it then calls the gate's answer invalid.
 */
export const MOST_HEADERS_ALLOWED = MOST_HEADERS - 8;

/** `detail`: Envoy's name for it, which the client sees. */
interface Rule {
  status: number;
  detail: string;
  found: string;
  applies(request: ClientRequest): boolean;
}

const valuesOf = ({ headers }: ClientRequest, name: string) =>
  headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);

const UNPRINTABLE = /[\0-\x08\x0a-\x1f\x7f]/;

/** In Envoy's order, as over HTTP/1.1; over HTTP/2 most of these requests cannot be sent, or reset their stream. */
const RULES: readonly Rule[] = [
  {
    status: 431,
    detail: 'http1.too_many_headers',
    found: `more than ${MOST_HEADERS} headers`,
    applies: ({ headers }) => headers.length + 1 > MOST_HEADERS,
  },
  {
    status: 431,
    detail: 'http1.headers_too_large',
    found: `more than ${MOST_HEADER_BYTES / 1024} KiB of headers`,
    applies: ({ method, host, path, headers }) =>
      headers.reduce((sum, [name, value]) => sum + name.length + value.length, method.length) +
        path.length +
        host.length >
      MOST_HEADER_BYTES,
  },
  {
    status: 400,
    detail: 'http1.invalid_characters',
    found: 'a control character in a header',
    applies: ({ host, headers }) =>
      UNPRINTABLE.test(host) || headers.some(([, value]) => UNPRINTABLE.test(value)),
  },
  {
    status: 404,
    detail: 'route_not_found',
    found: 'a CONNECT',
    applies: ({ method }) => method === 'CONNECT',
  },
  {
    status: 400,
    detail: 'http1.codec_error',
    found: 'several lengths, or one that is not a number',
    applies: (request) => {
      const lengths = valuesOf(request, 'content-length');
      return lengths.length > 1 || lengths.some((value) => !/^\d{1,19}$/.test(value));
    },
  },
  {
    status: 501,
    detail: 'http1.invalid_transfer_encoding',
    found: 'a transfer coding other than chunked',
    applies: (request) => valuesOf(request, 'transfer-encoding').some((value) => !/^chunked$/i.test(value)),
  },
  {
    status: 400,
    detail: 'http1.content_length_and_chunked_not_allowed',
    found: 'a length and a transfer coding',
    applies: (request) =>
      valuesOf(request, 'transfer-encoding').length > 0 && valuesOf(request, 'content-length').length > 0,
  },
  {
    status: 400,
    detail: 'http.invalid_authority',
    found: 'a character in the host that no host has',
    applies: ({ host }) => /[^!$%&'()*+,\-.0-9:;=@A-Z[\]_a-z~]/.test(host),
  },
  {
    status: 404,
    detail: 'invalid_path',
    found: 'an upgrade to connect-udp',
    applies: (request) => upgradeOf(request)?.toLowerCase() === 'connect-udp',
  },
  {
    status: 400,
    detail: 'query_missing_content_type',
    found: 'a QUERY without a Content-Type',
    applies: (request) => request.method === 'QUERY' && valuesOf(request, 'content-type').length === 0,
  },
];

/** What Envoy answers before it asks the gate; undefined if it asks. */
export function envoyFirst(request: ClientRequest): EnvoyAnswer | undefined {
  const rule = RULES.find(({ applies }) => applies(request));
  if (rule !== undefined) {
    return badRequest(rule.status, rule.detail, rule.found);
  }
  const upgrade = upgradeOf(request);
  if (upgrade === undefined || /^(websocket|tcp)$/i.test(upgrade)) return undefined;
  return refusedUpgrade('an upgrade that Envoy does not pass on');
}

/** What Envoy answers in place of the sandbox, after the gate has allowed the request; undefined if it forwards it. */
export function envoyLast(request: ClientRequest): EnvoyAnswer | undefined {
  if (request.headers.length > MOST_HEADERS_ALLOWED) {
    return badRequest(431, 'ext_authz_invalid', `more than ${MOST_HEADERS_ALLOWED} headers`);
  }
  const body = valuesOf(request, 'content-length').some((value) => Number(value) > 0);
  if (!body || !/^tcp$/i.test(upgradeOf(request) ?? '')) return undefined;
  return refusedUpgrade('a tcp upgrade with a body, which Envoy would hold back until the sandbox accepts');
}

/** The upgrade that Envoy sees; undefined if there is none, or one that it ignores. */
function upgradeOf(request: ClientRequest): string | undefined {
  const named = valuesOf(request, 'connection').join().split(',');
  if (!named.some((token) => token.trim().toLowerCase() === 'upgrade')) return undefined;
  const upgrade = valuesOf(request, 'upgrade').join();
  return upgrade === '' || /^(h2c?|http\/.*|tls\/.*)$/i.test(upgrade) ? undefined : upgrade;
}

function badRequest(status: number, detail: string, found: string): EnvoyAnswer {
  const body = `${ENVOY_REFUSALS.bad_request.message}: ${detail}\n`;
  return { reason: 'bad_request', found, answer: answerOf('bad_request', status, body) };
}

function refusedUpgrade(found: string): EnvoyAnswer {
  const { status, message } = ENVOY_REFUSALS.upgrade_refused;
  return { reason: 'upgrade_refused', found, answer: answerOf('upgrade_refused', status, `${message}\n`) };
}

function answerOf(reason: EnvoyAnswer['reason'], status: number, body: string): Answer {
  return {
    status,
    headers: [[REASON_HEADER, reason], ...ANSWER_HEADERS, ['content-type', TEXT_TYPE], NO_SNIFF],
    body,
  };
}
