import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type ApiUrl, formatApiUrl } from '../../address.ts';
import { SandgateError } from '../../errors.ts';

/** How to reach a policy API. */
export interface ApiEndpoint {
  at: ApiUrl;
  /** Sent as `Authorization: Bearer <key>`; a unix socket needs none. */
  key?: string | undefined;
  /** PEM certificates that an `https` server must chain to; undefined: the roots that Node trusts. */
  ca?: string | undefined;
  /** Milliseconds for one call, including the whole response. */
  timeLimitMs: number;
}

export interface Exchange {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query. */
  path: string;
  body?: string;
  headers?: Record<string, string>;
}

export interface Exchanged {
  status: number;
  text: string;
}

/** More than a page of 500 of the largest records; a policy API never sends as much. */
const LARGEST_ANSWER = 128 * 1024 * 1024;

/** How far a request got. The request itself follows the handshake, so before that it cannot have had an effect. */
type Phase = 'connecting' | 'handshake' | 'sent';

/** Sends one request on its own connection. Throws API_UNREACHABLE, which says whether the request may have arrived. */
export function exchange(endpoint: ApiEndpoint, call: Exchange): Promise<Exchanged> {
  const { at, key, ca, timeLimitMs } = endpoint;
  const secure = 'host' in at && at.scheme === 'https';
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeLimitMs);
    let phase: Phase = 'connecting';
    const fail = (error: Error) =>
      reject(
        unreachable(
          endpoint,
          late.aborted ? `no answer within ${timeLimitMs / 1000} s` : error.message,
          phase,
          error,
        ),
      );
    const sent = (secure ? requestHttps : requestHttp)(
      {
        // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED cannot send the key to an unknown server.
        ...(secure && { rejectUnauthorized: true, ...(ca !== undefined && { ca }) }),
        ...('path' in at ? { socketPath: at.path, host: 'localhost' } : { host: at.host, port: at.port }),
        method: call.method,
        path: call.path,
        headers: {
          accept: 'application/json',
          ...(call.body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(call.body),
          }),
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
          ...call.headers,
        },
        agent: false,
        signal: late,
      },
      (response) => {
        readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
      },
    );
    sent.once('socket', (socket) => {
      socket.once('connect', () => (phase = secure ? 'handshake' : 'sent'));
      socket.once('secureConnect', () => (phase = 'sent'));
    });
    sent.once('error', fail);
    sent.end(call.body);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_ANSWER) throw new Error(`the answer is larger than ${LARGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unreachable({ at }: ApiEndpoint, why: string, phase: Phase, cause: Error): SandgateError {
  const doubt = phase === 'sent' ? '; whether the request took effect is not known' : '';
  const message = `no answer from the policy API at ${formatApiUrl(at)}: ${why}${doubt}`;
  const remedy =
    phase === 'handshake'
      ? 'check that the host name in the URL is one of the certificate, and that --policy-api-ca names its CA'
      : 'check that the gate runs and listens there (its log, /readyz), or name another policy API with --policy-api-url';
  return new SandgateError('API_UNREACHABLE', message, { remedy, cause });
}
