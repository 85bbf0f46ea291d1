import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import type { GateRequest } from '../../src/decision/decision.ts';
import type { HeaderValue } from '../../src/target/target.ts';

const PROTO = fileURLToPath(new URL('../../proto/', import.meta.url));

function loadRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith(PROTO) ? target : PROTO + target);
  return root.loadSync('envoy/service/auth/v3/external_auth.proto', { keepCase: true });
}

/** protobuf.js on the full schema, to write and read messages as they are. */
const root = loadRoot();
export const CheckRequest = root.lookupType('envoy.service.auth.v3.CheckRequest');
export const CheckResponse = root.lookupType('envoy.service.auth.v3.CheckResponse');

const PACKAGES = ['', 'envoy.service.auth.v3.', 'envoy.config.core.v3.', 'envoy.type.v3.'];

/** A message by its full name, or by its name inside one of Envoy's packages. */
export function lookupMessage(name: string): protobuf.Type {
  const found = PACKAGES.map((path) => root.lookup(path + name)).find((one) => one instanceof protobuf.Type);
  if (found === undefined) throw new Error(`proto/ has no message ${name}`);
  return found;
}

/** The same schema with each `string` read as `bytes`: the same wire form, but text that is not UTF-8 survives. */
const rawRoot = loadRoot();
stringsToBytes(rawRoot);
const RawCheckRequest = rawRoot.lookupType('envoy.service.auth.v3.CheckRequest');

function stringsToBytes(namespace: protobuf.NamespaceBase): void {
  for (const nested of namespace.nestedArray) {
    if (nested instanceof protobuf.Type) {
      for (const field of nested.fieldsArray) if (field.type === 'string') field.type = 'bytes';
    }
    if (nested instanceof protobuf.Namespace) stringsToBytes(nested);
  }
}

interface RawHttp {
  method: Buffer;
  path: Buffer;
  host: Buffer;
  headers: Record<string, Buffer>;
  header_map?: { headers: { key: Buffer; value: Buffer; raw_value: Buffer }[] };
}

interface RawPeer {
  address?: { socket_address?: { address: Buffer } };
}

/** What the gate should read, by the oracle; undefined if it cannot decode the message, or if there is no HTTP request. */
export function referenceRequest(bytes: Buffer): GateRequest | undefined {
  let decoded: { attributes?: { source?: RawPeer; request?: { http?: RawHttp } } };
  try {
    decoded = RawCheckRequest.decode(bytes) as typeof decoded;
  } catch {
    return undefined;
  }
  const http = decoded.attributes?.request?.http;
  if (!http) return undefined;
  const lines: [key: string, value: Buffer][] = [
    ...(http.header_map?.headers ?? []).map(({ key, value, raw_value: raw }): [string, Buffer] => [
      text(key),
      raw.length > 0 ? raw : value,
    ]),
    ...Object.entries(http.headers),
  ];
  const all = (name: string) => lines.filter(([key]) => asciiLower(key) === name).map(([, value]) => value);
  const joined = (name: string) => (all(name).length === 0 ? undefined : all(name).map(text).join(', '));
  return {
    method: http.method.toString('utf8'),
    host: http.host.toString('utf8'),
    path: http.path.toString('utf8'),
    token: single(all('e2b-traffic-access-token'), (value) => Buffer.from(value)),
    sandboxId: single(all('e2b-sandbox-id'), text),
    sandboxPort: single(all('e2b-sandbox-port'), text),
    accept: joined('accept') ?? '',
    userAgent: joined('user-agent') ?? '',
    secFetchMode: joined('sec-fetch-mode') ?? '',
    requestedWith: joined('x-requested-with') ?? '',
    origin: joined('origin'),
    requestMethod: joined('access-control-request-method'),
    requestHeaders: joined('access-control-request-headers'),
    requestId: joined('x-request-id') ?? '',
    traceparent: joined('traceparent') ?? '',
    clientAddress: joined('x-envoy-external-address') ?? '',
    peerAddress: joined('x-envoy-external-address')
      ? ''
      : text(decoded.attributes?.source?.address?.socket_address?.address ?? Buffer.alloc(0)),
  };
}

function single<T>(values: readonly Buffer[], as: (value: Buffer) => T): HeaderValue<T> {
  const [value] = values;
  if (value === undefined) return { kind: 'absent' };
  return values.length > 1 || value.includes(0x2c) ? { kind: 'several' } : { kind: 'one', value: as(value) };
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1');
}

function asciiLower(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
