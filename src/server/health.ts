import type * as grpc from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { PACKAGE_ROOT } from '../package-root.ts';

type Answer = { status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN' };
type WatchCall = grpc.ServerWritableStream<{ service: string }, Answer>;

/** `grpc.health.v1.Health` for the whole process: what Envoy's health check asks. */
export interface Health {
  readonly definition: grpc.ServiceDefinition;
  readonly implementation: grpc.UntypedServiceImplementation;
  setServing(serving: boolean): void;
  /** An open Watch would keep the server from closing for ever. */
  endWatches(): void;
}

/** `services`: the names that are answered for; the empty name stands for the server as a whole. */
export function createHealth(services: readonly string[]): Health {
  const loaded = loadSync('grpc/health/v1/health.proto', {
    includeDirs: [`${PACKAGE_ROOT}proto`],
    enums: String,
  });
  const known = new Set(['', ...services]);
  const watches = new Set<WatchCall>();
  const strangers = new Set<WatchCall>();
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
        // That of an unknown service stays open too: the protocol has it wait for the service to come.
        const isKnown = known.has(call.request.service);
        if (!isKnown) call.write({ status: 'SERVICE_UNKNOWN' });
        (isKnown ? watches : strangers).add(call);
        const forget = () => watches.delete(call) || strangers.delete(call);
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
      for (const call of [...watches, ...strangers]) call.end();
      watches.clear();
      strangers.clear();
    },
  };
}
