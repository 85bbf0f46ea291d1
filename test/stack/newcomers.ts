import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/** One client that connected, sent a request and left. */
export interface Visit {
  protocol: 'h2' | 'http/1.1';
  /** `performance.now()` when it began to connect. */
  from: number;
  /** `performance.now()` after its answer, or its failure. */
  to: number;
  /** Fingerprint of the certificate that it saw; undefined if the handshake failed. */
  certificate: string | undefined;
  /** Undefined if there was no answer. */
  status: number | undefined;
  error: unknown;
}

export interface Newcomers {
  visits: Visit[];
  /** Resolves once each client has its last answer. */
  stop(): Promise<Visit[]>;
}

const CLIENTS = ['h2', 'http/1.1', 'h2', 'http/1.1'] as const;

/** Clients that each open a new TLS connection for every request, one after another, until `stop`. */
export function startNewcomers(tls: ConnectionOptions, headers: Record<string, string>): Newcomers {
  const visits: Visit[] = [];
  let stopped = false;
  const running = CLIENTS.map(async (protocol) => {
    while (!stopped) visits.push(await visit(protocol, tls, headers));
  });
  return {
    visits,
    async stop() {
      stopped = true;
      await Promise.all(running);
      return visits;
    },
  };
}

export async function visit(
  protocol: Visit['protocol'],
  tls: ConnectionOptions,
  headers: Record<string, string>,
): Promise<Visit> {
  const seen: Visit = { protocol, from: performance.now(), to: 0, ...NOTHING };
  const socket = connect({ ...tls, ALPNProtocols: [protocol] });
  try {
    await once(socket, 'secureConnect');
    seen.certificate = socket.getPeerX509Certificate()?.fingerprint256;
    seen.status = await (protocol === 'h2' ? overHttp2 : overHttp1)(socket, headers);
  } catch (error) {
    seen.error = error;
  } finally {
    socket.destroy();
    seen.to = performance.now();
  }
  return seen;
}

const NOTHING = { certificate: undefined, status: undefined, error: undefined };

async function overHttp1(socket: TLSSocket, headers: Record<string, string>): Promise<number> {
  const sent = httpsRequest({ createConnection: () => socket, headers }).end();
  const [response] = await once(sent, 'response');
  await response.toArray();
  return response.statusCode;
}

async function overHttp2(socket: TLSSocket, { host, ...headers }: Record<string, string>): Promise<number> {
  const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
  const failed = new Promise<never>((_, reject) => session.once('error', reject));
  const stream = session.request({ ':authority': host, ':path': '/', ...headers });
  const answered = once(stream, 'response').then(async ([response]) => {
    await stream.toArray();
    return response[':status'];
  });
  return Promise.race([answered, failed]);
}
