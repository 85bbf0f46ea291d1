import { type IncomingMessage, request } from 'node:http';
import { type Endpoint, formatEndpoint } from '../../address.ts';
import { SandgateError } from '../../errors.ts';

/** Where a policy API listens, what opens it, and for how long a call is waited for. */
export interface HttpDoor {
  at: Endpoint;
  /** Sent as `Authorization: Bearer <key>`; a unix socket needs none. */
  key?: string | undefined;
  /** Milliseconds for one call, the whole answer included. */
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

/** A page of 500 of the largest records is below; more is no answer of a policy API. */
const LARGEST_ANSWER = 128 * 1024 * 1024;

/** One request on a connection of its own. Throws API_UNREACHABLE, which says whether the request may have arrived. */
export function exchange(door: HttpDoor, asked: Exchange): Promise<Exchanged> {
  const { at, key, timeLimitMs } = door;
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeLimitMs);
    let connected = false;
    const fail = (error: Error) =>
      reject(
        unreachable(
          door,
          late.aborted ? `no answer within ${timeLimitMs / 1000} s` : error.message,
          connected,
          error,
        ),
      );
    const sent = request(
      {
        ...('path' in at ? { socketPath: at.path, host: 'localhost' } : { host: at.host, port: at.port }),
        method: asked.method,
        path: asked.path,
        headers: {
          accept: 'application/json',
          ...(asked.body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(asked.body),
          }),
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
          ...asked.headers,
        },
        agent: false,
        signal: late,
      },
      (response) => {
        readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
      },
    );
    sent.once('socket', (socket) => socket.once('connect', () => (connected = true)));
    sent.once('error', fail);
    sent.end(asked.body);
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

function unreachable(door: HttpDoor, why: string, connected: boolean, cause: Error): SandgateError {
  const doubt = connected ? '; whether the request took effect is not known' : '';
  return new SandgateError(
    'API_UNREACHABLE',
    `no answer from the policy API at ${formatEndpoint(door.at)}: ${why}${doubt}`,
    {
      remedy:
        'see that the gate runs and listens there (its log, /readyz), or name another one with --policy-api-url',
      cause,
    },
  );
}
