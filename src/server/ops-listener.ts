import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import type { Exposition } from '../observe/exposition.ts';
import type { Readiness } from '../state/readiness.ts';

export interface OpsListener {
  readonly address: Address;
  close(): Promise<void>;
}

/** In ms. By default, Node looks for late requests only every 30 s, whatever their timeout. */
const TIMEOUTS = { requestTimeout: 5000, headersTimeout: 5000, connectionsCheckingInterval: 1000 };
/** More than all gates and scrapers need; a flood of connections must not use up the gate's file descriptors. */
const CONNECTIONS_MAX = 256;

/**
 * Serves `/healthz` (the process is alive), `/readyz` (200 or 503, with the parts and their reasons), `/metrics` for
 * Prometheus, and `/metrics.json`, the same for a supervisor. None of them contains a secret.
 */
export async function startOpsListener(
  at: Address,
  ready: () => Readiness | Promise<Readiness>,
  metrics?: Exposition,
): Promise<OpsListener> {
  const server = createServer(TIMEOUTS, (request, response) => {
    const sendText = (status: number, contentType: string, text: string) => {
      response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const send = (status: number, body: unknown) =>
      sendText(status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(405, { message: 'GET or HEAD only' });
    switch (request.url?.split('?')[0]) {
      case '/healthz':
        return send(200, { ok: true });
      case '/readyz':
        Promise.resolve(ready()).then(
          (state) => send(state.ready ? 200 : 503, state),
          () => send(500, { message: 'the state could not be read' }),
        );
        return;
      case '/metrics':
        if (metrics === undefined) break;
        metrics.text().then(
          (text) => sendText(200, metrics.contentType, text),
          () => send(500, { message: 'the metrics could not be read' }),
        );
        return;
      case '/metrics.json':
        if (metrics === undefined) break;
        metrics.dump().then(
          (dump) => send(200, dump),
          () => send(500, { message: 'the metrics could not be read' }),
        );
        return;
    }
    send(404, { message: 'not found; try /healthz, /readyz or /metrics' });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  }).catch((error: Error) => {
    throw new SandgateError(
      'ADDRESS_IN_USE',
      `cannot listen on ${formatAddress(at)} for /readyz: ${error.message}`,
      {
        remedy: 'stop what listens there, or choose another address (SANDGATE_OPS)',
        cause: error,
      },
    );
  });
  return {
    address: { host: at.host, port: (server.address() as AddressInfo).port },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
