import type { GateRequest } from '../decision/decision.ts';
import { FIELDS } from './field-numbers.ts';
import { RequestHeaders } from './request-headers.ts';
import { malformed, WireReader } from './wire-reader.ts';

const { attributes: CHECK_REQUEST_ATTRIBUTES } = FIELDS.CheckRequest;
const { source: ATTRIBUTES_SOURCE, request: ATTRIBUTES_REQUEST } = FIELDS.AttributeContext;
const { address: PEER_ADDRESS } = FIELDS['AttributeContext.Peer'];
const { socket_address: ADDRESS_SOCKET_ADDRESS } = FIELDS.Address;
const { address: SOCKET_ADDRESS_ADDRESS } = FIELDS.SocketAddress;
const { http: REQUEST_HTTP } = FIELDS['AttributeContext.Request'];
const {
  method: HTTP_METHOD,
  headers: HTTP_HEADERS,
  path: HTTP_PATH,
  host: HTTP_HOST,
  header_map: HTTP_HEADER_MAP,
} = FIELDS['AttributeContext.HttpRequest'];
const { headers: HEADER_MAP_HEADERS } = FIELDS.HeaderMap;
const { key: HEADER_KEY, value: HEADER_VALUE, raw_value: HEADER_RAW_VALUE } = FIELDS.HeaderValue;

/**
 * Reads what the gate needs from the bytes of a CheckRequest, by the rules of protobuf: unknown fields are skipped,
 * repeated submessages merge, and the last scalar and the last map entry of each key win. The token is a view of
 * `bytes`. Throws CHECK_MALFORMED, including for a check that is not about HTTP.
 */
export function decodeCheckRequest(bytes: Buffer): GateRequest {
  return decoder.decode(bytes);
}

/** Reused for every message; its fields are reset at the start of each. */
class CheckDecoder {
  readonly #reader = new WireReader();
  readonly #headers = new RequestHeaders();
  #bytes: Buffer = Buffer.alloc(0);
  #isHttp = false;
  #method = '';
  #path = '';
  #host = '';
  #peerStart = 0;
  #peerEnd = 0;

  decode(bytes: Buffer): GateRequest {
    this.#start(bytes);
    const end = bytes.length;
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === CHECK_REQUEST_ATTRIBUTES) this.#attributes(reader.fieldEnd(tag, end));
      else reader.skip(tag, end);
    }
    if (!this.#isHttp) throw malformed('it has no HTTP request');
    const headers = this.#headers.fields();
    return {
      method: this.#method,
      host: this.#host,
      path: this.#path,
      ...headers,
      peerAddress:
        headers.clientAddress === '' ? bytes.toString('latin1', this.#peerStart, this.#peerEnd) : '',
    };
  }

  #start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#reader.start(bytes);
    this.#headers.start(bytes);
    this.#isHttp = false;
    this.#method = '';
    this.#path = '';
    this.#host = '';
    this.#peerStart = 0;
    this.#peerEnd = 0;
  }

  #attributes(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      const field = tag >>> 3;
      if (field === ATTRIBUTES_REQUEST) this.#request(reader.fieldEnd(tag, end));
      else if (field === ATTRIBUTES_SOURCE) this.#peer(reader.fieldEnd(tag, end));
      else reader.skip(tag, end);
    }
  }

  #peer(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === PEER_ADDRESS) this.#address(reader.fieldEnd(tag, end));
      else reader.skip(tag, end);
    }
  }

  #address(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === ADDRESS_SOCKET_ADDRESS) this.#socketAddress(reader.fieldEnd(tag, end));
      else reader.skip(tag, end);
    }
  }

  /** Only noted: the bundled config sends the header instead, and a string would cost every request something. */
  #socketAddress(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === SOCKET_ADDRESS_ADDRESS) {
        this.#peerEnd = reader.fieldEnd(tag, end);
        this.#peerStart = reader.at;
        reader.at = this.#peerEnd;
      } else reader.skip(tag, end);
    }
  }

  #request(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === REQUEST_HTTP) this.#http(reader.fieldEnd(tag, end));
      else reader.skip(tag, end);
    }
  }

  #http(end: number): void {
    this.#isHttp = true;
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      switch (tag >>> 3) {
        case HTTP_METHOD:
          this.#method = this.#text(tag, end);
          break;
        case HTTP_PATH:
          this.#path = this.#text(tag, end);
          break;
        case HTTP_HOST:
          this.#host = this.#text(tag, end);
          break;
        case HTTP_HEADERS:
          this.#header(reader.fieldEnd(tag, end), true);
          break;
        case HTTP_HEADER_MAP:
          this.#headerMap(reader.fieldEnd(tag, end));
          break;
        default:
          reader.skip(tag, end);
      }
    }
  }

  #headerMap(end: number): void {
    const reader = this.#reader;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag >>> 3 === HEADER_MAP_HEADERS) this.#header(reader.fieldEnd(tag, end), false);
      else reader.skip(tag, end);
    }
  }

  /** A HeaderValue, or an entry of the `headers` map, which has the same fields except `raw_value`. */
  #header(end: number, isEntry: boolean): void {
    const reader = this.#reader;
    let keyStart = reader.at;
    let keyEnd = reader.at;
    let start = reader.at;
    let valueEnd = reader.at;
    let rawStart = reader.at;
    let rawEnd = reader.at;
    while (reader.at < end) {
      const tag = reader.tag(end);
      const field = tag >>> 3;
      if (field === HEADER_KEY) {
        keyEnd = reader.fieldEnd(tag, end);
        keyStart = reader.at;
        reader.at = keyEnd;
      } else if (field === HEADER_VALUE) {
        valueEnd = reader.fieldEnd(tag, end);
        start = reader.at;
        reader.at = valueEnd;
      } else if (field === HEADER_RAW_VALUE && !isEntry) {
        rawEnd = reader.fieldEnd(tag, end);
        rawStart = reader.at;
        reader.at = rawEnd;
      } else reader.skip(tag, end);
    }
    if (isEntry) this.#headers.addEntry(keyStart, keyEnd, start, valueEnd);
    else if (rawEnd > rawStart) this.#headers.addLine(keyStart, keyEnd, rawStart, rawEnd);
    // Envoy omits an empty `raw_value`: the header was sent, and empty.
    else this.#headers.addLine(keyStart, keyEnd, start, valueEnd);
  }

  #text(tag: number, end: number): string {
    const reader = this.#reader;
    const textEnd = reader.fieldEnd(tag, end);
    const text = this.#bytes.toString('utf8', reader.at, textEnd);
    reader.at = textEnd;
    return text;
  }
}

const decoder = new CheckDecoder();
