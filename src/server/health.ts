import type * as grpc from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { PACKAGE_ROOT } from '../package-root.ts';

type Answer = { status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN' };
type WatchCall = grpc.ServerWritableStream<{ service: string }, Answer>;

/** `grpc.health.v1.Health` for the whole process, which Envoy's health check calls. */
export interface Health {
  readonly definition: grpc.ServiceDefinition;
  readonly implementation: grpc.UntypedServiceImplementation;
  setServing(serving: boolean): void;
  /** Ends every open Watch, which would otherwise keep the server from closing. */
  endWatches(): void;
}

/** `services`: names of the known services; the empty name, for the server as a whole, is always known. */
export function createHealth(services: readonly string[]): Health {
  const loaded = loadSync('grpc/health/v1/health.proto', {
    includeDirs: [`${PACKAGE_ROOT}proto`],
    enums: String,
  });
  const known = new Set(['', ...services]);
  const watches = new Set<WatchCall>();
  const unknownWatches = new Set<WatchCall>();
  let serving = false;
  let ended = false;
  const answer = (): Answer => ({ status: serving ? 'SERVING' : 'NOT_SERVING' });

  return {
    definition: loaded['grpc.health.v1.Health'] as grpc.ServiceDefinition,
    implementation: {
      check(call: grpc.ServerUnaryCall<{ service: string }, Answer>, callback: grpc.sendUnaryData<Answer>) {
        if (known.has(call.request.service)) callback(null, answer());
        else callback({ code: status.NOT_FOUND, details: 'unknown service' });
      },
      watch(call: WatchCall) {
        if (ended) {
          call.end();
          return;
        }
        // A Watch of an unknown service stays open too: by the protocol, it waits for the service to appear.
        const isKnown = known.has(call.request.service);
        if (!isKnown) call.write({ status: 'SERVICE_UNKNOWN' });
        (isKnown ? watches : unknownWatches).add(call);
        const forget = () => watches.delete(call) || unknownWatches.delete(call);
        call.on('cancelled', forget);
        call.on('error', forget);
        if (isKnown) call.write(answer());
      },
    },
    setServing(value) {
      if (serving === value) return;
      serving = value;
      for (const call of watches) call.write(answer());
    },
    endWatches() {
      ended = true;
      for (const call of [...watches, ...unknownWatches]) call.end();
      watches.clear();
      unknownWatches.clear();
    },
  };
}
