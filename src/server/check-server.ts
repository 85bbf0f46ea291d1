import { chmodSync } from 'node:fs';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { type Address, formatAddress } from '../address.ts';
import type { CheckHandler } from '../check/handler.ts';
import { SandgateError } from '../errors.ts';
import { prepareSocket, type SocketPath } from '../state/socket-path.ts';
import { createHealth, type Health } from './health.ts';
import { promptStatus } from './prompt-status.ts';
import { freeClosedStreams } from './session-streams.ts';

/** Envoy caps request headers at 60 KiB, and the bundled config sends few of them; the rest is room for an ingress that sends all. */
const LARGEST_REQUEST = 1024 * 1024;

export interface CheckServer {
  /** `unix:/path`, or `host:port` with the real port. */
  readonly address: string;
  readonly health: Health;
  /** Resolves once open calls are answered; after `withinMs`, cuts those that are left. */
  close(withinMs: number): Promise<void>;
  /** Cuts open calls at once. */
  cut(): void;
}

export const CHECK_SERVICE = 'envoy.service.auth.v3.Authorization';

const raw = (bytes: Buffer): Buffer => bytes;

/** Bytes in, bytes out: the handler does its own decoding and encoding. */
export const checkDefinition: ServiceDefinition = {
  Check: {
    path: `/${CHECK_SERVICE}/Check`,
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  },
};

/** Starts Check and health on a unix socket or a TCP address. Throws ADDRESS_IN_USE or STATE_UNUSABLE. */
export async function startCheckServer(
  listen: SocketPath | Address,
  handler: CheckHandler,
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<CheckServer> {
  const health = createHealth([CHECK_SERVICE]);
  const server = new Server({
    'grpc.max_receive_message_length': LARGEST_REQUEST,
    // Nothing reads channelz here, and it would cost something on every call.
    'grpc.enable_channelz': 0,
    interceptors: [freeClosedStreams(), promptStatus()],
  });
  server.addService(checkDefinition, checkImplementation(handler));
  server.addService(health.definition, health.implementation);

  const address = await bind(server, listen, credentials);
  health.setServing(true);
  return {
    address,
    health,
    async close(withinMs) {
      health.setServing(false);
      health.endWatches();
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => server.tryShutdown(() => resolve())),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, withinMs);
        }),
      ]);
      clearTimeout(timer);
      server.forceShutdown();
    },
    cut: () => server.forceShutdown(),
  };
}

async function bind(
  server: Server,
  listen: SocketPath | Address,
  credentials: ServerCredentials,
): Promise<string> {
  const onSocket = 'path' in listen;
  if (onSocket) await prepareSocket(listen);
  const wanted = onSocket ? `unix:${listen.path}` : formatAddress(listen);
  // The mode must apply from the start: a process that can connect to the socket or replace it bypasses access control.
  const umask = onSocket ? process.umask(0o117) : undefined;
  try {
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(wanted, credentials, (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    if (onSocket) chmodSync(listen.path, 0o660);
    return onSocket ? wanted : formatAddress({ host: listen.host, port });
  } catch (error) {
    throw new SandgateError('ADDRESS_IN_USE', `cannot listen on ${wanted}: ${(error as Error).message}`, {
      remedy: 'stop what listens there, or choose another address (SANDGATE_LISTEN)',
      cause: error,
    });
  } finally {
    if (umask !== undefined) process.umask(umask);
  }
}

/** Serves a `CheckHandler` over gRPC. Catches every rejection: one that escaped would end the process. */
function checkImplementation(handler: CheckHandler) {
  return {
    Check(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
      const refuse = () => callback({ code: status.INVALID_ARGUMENT, details: 'not a CheckRequest' });
      let answer: Buffer | Promise<Buffer>;
      try {
        answer = handler(call.request, Number(call.getDeadline()));
      } catch {
        // Only the handler is inside this try: a second callback would leave the client without a status.
        refuse();
        return;
      }
      if (Buffer.isBuffer(answer)) callback(null, answer);
      else answer.then((bytes) => callback(null, bytes), refuse);
    },
  };
}
