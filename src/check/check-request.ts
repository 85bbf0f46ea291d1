import { REQUEST_HEADERS } from '../target/headers.ts';
import { bytesField, textField, type WireBytes } from './wire-writer.ts';

/** Field numbers of `proto/envoy/service/auth/v3` and `proto/envoy/config/core/v3/base.proto`. */
const CHECK_REQUEST_ATTRIBUTES = 1;
const ATTRIBUTES_REQUEST = 4;
const REQUEST_HTTP = 2;
const HTTP_METHOD = 2;
const HTTP_PATH = 4;
const HTTP_HOST = 5;
const HTTP_SCHEME = 6;
const HTTP_HEADER_MAP = 13;
const HEADER_MAP_HEADERS = 1;
const HEADER_KEY = 1;
const HEADER_RAW_VALUE = 3;

/** A request as a client sends it. Header names in any case; values are latin1, as many lines as were sent. */
export interface ClientRequest {
  scheme: 'http' | 'https';
  method: string;
  host: string;
  path: string;
  headers: readonly (readonly [name: string, value: string])[];
}

const NEEDED = new Set<string>(Object.values(REQUEST_HEADERS));

/** The CheckRequest bytes that the bundled Envoy would send for it: raw lines, and only those that the gate needs. */
export function encodeCheckRequest({ scheme, method, host, path, headers }: ClientRequest): Buffer {
  const lines = headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => NEEDED.has(name));
  const http =
    textField(HTTP_METHOD, method) +
    textField(HTTP_PATH, path) +
    textField(HTTP_HOST, host) +
    textField(HTTP_SCHEME, scheme) +
    bytesField(HTTP_HEADER_MAP, lines.map(line).join(''));
  const request = bytesField(ATTRIBUTES_REQUEST, bytesField(REQUEST_HTTP, http));
  return Buffer.from(bytesField(CHECK_REQUEST_ATTRIBUTES, request), 'latin1');
}

function line([name, value]: readonly [string, string]): WireBytes {
  // As proto3 has it, an empty value is left out.
  const raw = value === '' ? '' : bytesField(HEADER_RAW_VALUE, value);
  return bytesField(HEADER_MAP_HEADERS, bytesField(HEADER_KEY, name) + raw);
}
