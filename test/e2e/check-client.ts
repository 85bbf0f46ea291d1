import { type Client, credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { CHECK_SERVICE, checkDefinition } from '../../src/server/check-server.ts';
import { CheckRequest, CheckResponse } from '../check/oracle.ts';
import type { ClientRequest } from '../stack/client.ts';

/** A CheckResponse as an ingress would apply it. */
export type Checked =
  | { allowed: true; sets: Record<string, string>; removes: string[]; metadata: Record<string, unknown> }
  | { allowed: false; status: number; headers: Record<string, string>; body: string };

/** How an ingress sends headers: as raw lines, or as one map. */
export type HeaderForm = 'header_map' | 'headers';

interface Pair {
  header: { key: string; value: string };
}

/** Stands in for an ingress: calls Check, and reads the answer with protobuf.js. */
export function connectCheck(address: string) {
  const Service = makeGenericClientConstructor(checkDefinition, CHECK_SERVICE);
  const client = new Service(address, credentials.createInsecure());
  return {
    async check(request: ClientRequest, form: HeaderForm = 'header_map'): Promise<Checked> {
      return read(await call(client, encode(request, form)));
    },
    close: () => client.close(),
  };
}

function encode({ host, method = 'GET', path = '/', headers = {} }: ClientRequest, form: HeaderForm): Buffer {
  const lines = Object.entries(headers).flatMap(([key, value]) =>
    [value].flat().map((one) => ({ key, one })),
  );
  const sent =
    form === 'headers'
      ? { headers: Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, String(value)])) }
      : {
          header_map: { headers: lines.map(({ key, one }) => ({ key, raw_value: Buffer.from(one) })) },
        };
  const message = { attributes: { request: { http: { method, host, path, ...sent } } } };
  return Buffer.from(CheckRequest.encode(CheckRequest.fromObject(message)).finish());
}

function call(client: Client, bytes: Buffer): Promise<Buffer> {
  const { path, requestSerialize, responseDeserialize } = checkDefinition.Check!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, bytes, (error, answer) =>
      error ? reject(error) : resolve(answer as Buffer),
    );
  });
}

function read(bytes: Buffer): Checked {
  const decoded = CheckResponse.toObject(CheckResponse.decode(bytes), { defaults: true, arrays: true });
  const set = (pairs: Pair[]) => Object.fromEntries(pairs.map(({ header }) => [header.key, header.value]));
  if (decoded.status?.code) {
    const { status, headers, body } = decoded.denied_response;
    return { allowed: false, status: status.code, headers: set(headers), body };
  }
  const { headers, headers_to_remove: removes } = decoded.ok_response;
  return { allowed: true, sets: set(headers), removes, metadata: decoded.dynamic_metadata.fields };
}
