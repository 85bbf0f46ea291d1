import { REQUEST_HEADERS } from '../target/headers.ts';
import { FIELDS } from './field-numbers.ts';
import { bytesField, textField, type WireBytes } from './wire-writer.ts';

/** A request as a client sends it. Header names are in any case; values are latin1, one entry per line sent. */
export interface ClientRequest {
  scheme: 'http' | 'https';
  method: string;
  host: string;
  path: string;
  headers: readonly (readonly [name: string, value: string])[];
}

const HTTP = FIELDS['AttributeContext.HttpRequest'];

const NEEDED = new Set<string>(Object.values(REQUEST_HEADERS));

/** The CheckRequest bytes that the bundled Envoy would send for it: raw header lines, and only those that the gate needs. */
export function encodeCheckRequest({ scheme, method, host, path, headers }: ClientRequest): Buffer {
  const lines = headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => NEEDED.has(name));
  const http =
    textField(HTTP.method, method) +
    textField(HTTP.path, path) +
    textField(HTTP.host, host) +
    textField(HTTP.scheme, scheme) +
    bytesField(HTTP.header_map, lines.map(headerLine).join(''));
  const request = bytesField(FIELDS['AttributeContext.Request'].http, http);
  const attributes = bytesField(FIELDS.AttributeContext.request, request);
  return Buffer.from(bytesField(FIELDS.CheckRequest.attributes, attributes), 'latin1');
}

function headerLine([name, value]: readonly [string, string]): WireBytes {
  const { key, raw_value } = FIELDS.HeaderValue;
  // In proto3 an empty value is left out.
  const raw = value === '' ? '' : bytesField(raw_value, value);
  return bytesField(FIELDS.HeaderMap.headers, bytesField(key, name) + raw);
}
