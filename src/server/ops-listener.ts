import { createServer } from 'node:http';
import { type AddressInfo, isIPv4, isIPv6 } from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { HTTP_TIMEOUTS, limitConnections, listedHosts, withoutPort } from '../http-guard.ts';
import type { Exposition } from '../observe/exposition.ts';
import type { Readiness } from '../state/readiness.ts';

export interface OpsListener {
  readonly address: Address;
  close(): Promise<void>;
}

export interface OpsSettings {
  ops: Address;
  /** Names to answer for, in addition to `localhost` and every IP address. */
  opsHosts: readonly string[];
}

/**
 * Serves `/healthz` (the process is alive), `/readyz` (200 or 503, with the parts and their reasons), `/metrics` for
 * Prometheus, and `/metrics.json`, the same for a supervisor. None of them contains a secret, but a web page must not
 * read the names of sandboxes and files, so a request for an unlisted Host is refused.
 */
export async function startOpsListener(
  { ops: at, opsHosts }: OpsSettings,
  ready: () => Readiness | Promise<Readiness>,
  metrics?: Exposition,
): Promise<OpsListener> {
  const isAllowedHost = opsHostTest(opsHosts);
  const server = createServer(HTTP_TIMEOUTS, (request, response) => {
    const sendText = (status: number, contentType: string, text: string) => {
      response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const send = (status: number, body: unknown) =>
      sendText(status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
    if (!isAllowedHost(request.headers.host)) return send(421, HOST_REFUSED);
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
  limitConnections(server);
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

const HOST_REFUSED = {
  code: 'HOST_REFUSED',
  message: 'the ops listener does not answer for this host name',
  remedy: 'use an IP address or localhost, or list the name in SANDGATE_OPS_HOSTS (--ops-hosts)',
};

/**
 * Probes and scrapers use the address of a pod or machine, which DNS rebinding cannot: a browser sends the name. Only
 * HTTP/1.0, which no browser speaks, allows a request without a Host.
 */
function opsHostTest(names: readonly string[]): (host: string | undefined) => boolean {
  const isListed = listedHosts(['localhost', ...names]);
  return (host) => host === undefined || isListed(host) || isAddress(withoutPort(host));
}

function isAddress(host: string): boolean {
  return isIPv4(host) || (/^\[.*\]$/.test(host) && isIPv6(host.slice(1, -1)));
}
