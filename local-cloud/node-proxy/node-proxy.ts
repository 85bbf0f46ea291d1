import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SandgateError } from '#src/errors.js';
import type { Domains } from '#src/target/domains.js';
import { AGENT_PORT, type Target } from '#src/target/target.js';
import { createAdmission, type RefusalReason } from './admission.ts';
import { dial } from './dial.ts';
import { acceptGrpc, type Call } from './grpc-proxy.ts';
import { handOver, tunnel } from './hand-over.ts';
import { refuse, refuseUpgrade } from './refusal.ts';
import { upstreamHeaders } from './upstream-headers.ts';

/** What the node proxy needs to reach a sandbox. */
export interface ProxiedSandbox {
  bridgeSocket: string;
  /** The port to request from the bridge for requests to 49983. */
  agentPort: number;
  /** `${PORT}` stands for the port. */
  maskRequestHost?: string | undefined;
}

export interface NodeProxyOptions {
  /** 0: any free port. Always on 127.0.0.1; sandboxes have a loopback of their own. */
  port: number;
  /** What the gates send as `x-sandgate-node-proxy-key`. */
  key: string;
  /** The domains of the gates. */
  domains: Domains;
  find(sandboxId: string): ProxiedSandbox | undefined;
  /** `count`: of all requests refused for this reason so far. */
  onRefused(reason: RefusalReason, count: number): void;
}

export interface NodeProxy {
  readonly port: number;
  /** Cuts open connections. */
  close(): Promise<void>;
}

/** Envoy accepts 60 KiB of headers and adds some of its own. */
const MOST_HEADER_BYTES = 96 * 1024;

/**
 * The `route` of every sandbox of the local cloud. Reads the Host that the gate has checked, and forwards the request
 * through the sandbox's bridge to the port inside. A request that did not pass a gate gets the contract's 503. One that
 * cannot be forwarded is cut off without a response, and Envoy answers with the contract's page: it strips
 * `x-sandgate-reason` from every upstream, so a response from here could not carry it.
 */
export async function startNodeProxy(options: NodeProxyOptions): Promise<NodeProxy> {
  const sockets = new Set<Duplex>();
  // Streams may last as long as they like; Envoy enforces the timeouts.
  const server = createServer({
    maxHeaderSize: MOST_HEADER_BYTES,
    requestTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 0,
  });
  const admit = createAdmission(options.key, options.domains);
  const refusals = new Map<RefusalReason, number>();
  /** The target of a request that has passed a gate. */
  const admitted = (request: IncomingMessage | Call): Target | undefined => {
    const admission = admit(request);
    if (admission.kind === 'admitted') return admission.target;
    const count = (refusals.get(admission.reason) ?? 0) + 1;
    refusals.set(admission.reason, count);
    options.onRefused(admission.reason, count);
    return undefined;
  };
  const open = async (
    request: IncomingMessage,
    target: Target,
    upgrade: boolean,
  ): Promise<ClientRequest | undefined> => {
    const upstream = await reach(request, target, options.find);
    if (upstream === undefined) return undefined;
    sockets.add(upstream.socket);
    upstream.socket.once('close', () => sockets.delete(upstream.socket));
    try {
      return httpRequest({
        method: request.method,
        path: request.url,
        headers: upstreamHeaders(request.rawHeaders, upstream.port, upstream.mask, upgrade),
        setHost: false,
        maxHeaderSize: MOST_HEADER_BYTES,
        // Accepts what Envoy accepts, such as chunks with a length. The connection carries one answer only.
        insecureHTTPParser: true,
        createConnection: () => upstream.socket,
      });
    } catch (error) {
      upstream.socket.destroy();
      throw error;
    }
  };
  const plain = (request: IncomingMessage, response: ServerResponse) => {
    const target = admitted(request);
    if (target === undefined) return refuse(response);
    open(request, target, false).then(
      (upstream) => (upstream ? handOver(request, response, upstream) : request.socket.destroy()),
      () => request.socket.destroy(),
    );
  };
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', plain);
  server.on('checkContinue', plain);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    const target = admitted(request);
    if (target === undefined) return refuseUpgrade(socket);
    open(request, target, true).then(
      (upstream) => (upstream ? tunnel(socket, head, upstream) : socket.destroy()),
      () => socket.destroy(),
    );
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const endGrpc = acceptGrpc(server, admitted, (call, target) => reach(call, target, options.find));

  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening').catch((error) => {
    throw new SandgateError(
      'ADDRESS_IN_USE',
      `the node proxy cannot listen on 127.0.0.1:${options.port}: ${error.message}`,
      {
        remedy: 'stop what listens there, or choose another port',
        cause: error,
      },
    );
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      endGrpc();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Reached {
  socket: Socket;
  port: number;
  mask: string | undefined;
}

async function reach(
  request: IncomingMessage | Call,
  { sandboxId, port }: Target,
  find: NodeProxyOptions['find'],
): Promise<Reached | undefined> {
  const sandbox = find(sandboxId);
  if (sandbox === undefined) return undefined;
  const gone = new AbortController();
  const leave = () => gone.abort();
  request.socket.once('close', leave);
  try {
    const bridgePort = port === AGENT_PORT ? sandbox.agentPort : port;
    const dialled = await dial(sandbox.bridgeSocket, bridgePort, gone.signal);
    return dialled.kind === 'open'
      ? { socket: dialled.socket, port, mask: sandbox.maskRequestHost }
      : undefined;
  } finally {
    request.socket.off('close', leave);
  }
}
