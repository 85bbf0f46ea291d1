import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Node's timeouts for a server of short requests, in ms: from the connection or its last answer to the end of the next
 * request, silence included. By default, Node looks for late requests only every 30 s, whatever their timeout.
 */
export const HTTP_TIMEOUTS = {
  requestTimeout: 5000,
  headersTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
};

/** More than all gates, probes and scrapers need; a flood must not use up the gate's file descriptors. */
const CONNECTIONS_MAX = 256;

/**
 * Limits the open connections of a server. Node's own limit refuses newcomers, so that silent connections keep probes
 * out; here the newcomer gets in, and the oldest connection without an open request is closed: silent ones, half-sent
 * heads, and kept connections. If each has an open request, the oldest one is closed.
 */
export function limitConnections(server: Server, connectionsMax = CONNECTIONS_MAX): void {
  /** Both in the order in which the connections entered. */
  const waiting = new Set<Socket>();
  const serving = new Set<Socket>();
  server.on('connection', (socket) => {
    if (waiting.size + serving.size >= connectionsMax) {
      const [oldest] = waiting.size > 0 ? waiting : serving;
      waiting.delete(oldest!);
      serving.delete(oldest!);
      oldest!.destroy();
    }
    waiting.add(socket);
    socket.once('close', () => {
      waiting.delete(socket);
      serving.delete(socket);
    });
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (waiting.delete(socket)) serving.add(socket);
    response.once('close', () => {
      if (serving.delete(socket)) waiting.add(socket);
    });
  });
}

/**
 * Makes the test of a request's Host against a list. It stops DNS rebinding: a web page whose name resolves to this
 * machine still sends its own name. A listed name without a port is accepted with any port.
 */
export function listedHosts(names: readonly string[]): (host: string) => boolean {
  const listed = new Set(names.map((name) => name.toLowerCase()));
  return (host) => listed.has(host.toLowerCase()) || listed.has(withoutPort(host.toLowerCase()));
}

export function withoutPort(host: string): string {
  return host.replace(/:\d{1,5}$/, '');
}
