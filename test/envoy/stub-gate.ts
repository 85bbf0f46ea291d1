import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { CHECK_SERVICE } from '../../src/server/check-server.ts';
import { createHealth } from '../../src/server/health.ts';

interface HttpRequest {
  method: string;
  host: string;
  path: string;
}

export interface CheckRequest {
  attributes: {
    request: { http: HttpRequest & { header_map: { headers: { key: string; raw_value: Buffer }[] } } };
  };
}

/** A gate whose answers a test sets; they are encoded by proto-loader, not by our own encoder. */
export interface StubGate {
  /** Requests in the order they arrived. */
  asked: CheckRequest[];
  /** Replaces the default answer, an error. */
  answer: (request: CheckRequest) => object;
  close(): void;
}

export async function startStubGate(socket: string): Promise<StubGate> {
  const loaded = loadSync('envoy/service/auth/v3/external_auth.proto', {
    includeDirs: [`${PACKAGE_ROOT}proto`],
    keepCase: true,
    enums: String,
    longs: String,
  });
  const gate: StubGate = {
    asked: [],
    answer: () => {
      throw new Error('the test gave no answer');
    },
    close: () => server.forceShutdown(),
  };
  const server = new grpc.Server();
  server.addService(loaded[CHECK_SERVICE] as grpc.ServiceDefinition, {
    Check(call: grpc.ServerUnaryCall<CheckRequest, object>, callback: grpc.sendUnaryData<object>) {
      gate.asked.push(call.request);
      try {
        callback(null, gate.answer(call.request));
      } catch (error) {
        callback({ code: grpc.status.INTERNAL, details: String(error) });
      }
    },
  });
  const health = createHealth([CHECK_SERVICE]);
  health.setServing(true);
  server.addService(health.definition, health.implementation);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return gate;
}

export interface AllowOptions {
  /** `ip:port`; omitted if undefined. */
  destination?: string | undefined;
  html?: boolean;
  poolKey?: string;
  headers?: Record<string, string>;
  remove?: readonly string[];
}

/** The allow of sandbox `abc`, port 8080, in the form that gate and config agree on. */
export function allow(options: AllowOptions = {}): object {
  const { destination, html = false, poolKey = 'abc/1', headers = {}, remove = [] } = options;
  return {
    status: { code: 0 },
    ok_response: {
      headers: Object.entries(headers).map(([key, value]) => ({
        header: { key, value },
        append: { value: false },
      })),
      headers_to_remove: remove,
    },
    dynamic_metadata: struct({
      ...(destination !== undefined && { destination }),
      sandbox_id: 'abc',
      port: 8080,
      html,
      pool_key: poolKey,
    }),
  };
}

/** An answer of the gate's own. */
export function answer(status: number, headers: Record<string, string>, body: string): object {
  return {
    status: { code: 7 },
    denied_response: {
      status: { code: status },
      headers: Object.entries(headers).map(([key, value]) => ({
        header: { key, value },
        append: { value: false },
      })),
      body,
    },
    dynamic_metadata: struct({ answered: true, sandbox_id: 'abc' }),
  };
}

function struct(fields: Record<string, string | number | boolean>): object {
  const value = (of: string | number | boolean) => {
    if (typeof of === 'string') return { stringValue: of };
    return typeof of === 'number' ? { numberValue: of } : { boolValue: of };
  };
  return { fields: Object.fromEntries(Object.entries(fields).map(([name, of]) => [name, value(of)])) };
}
