import type { GateRequest } from '../decision/decision.ts';
import type { HeaderValue } from '../target/target.ts';

/** The request headers that the gate reads; Envoy's `allowed_headers` are the same. */
export const NEEDED_HEADERS = [
  'e2b-traffic-access-token',
  'e2b-sandbox-id',
  'e2b-sandbox-port',
  'accept',
  'user-agent',
  'sec-fetch-mode',
  'x-requested-with',
  'origin',
  'access-control-request-method',
  'access-control-request-headers',
  'x-request-id',
  'traceparent',
  'x-envoy-external-address',
] as const;

type Name = (typeof NEEDED_HEADERS)[number];

/** By length: most headers are told apart by that alone, before a byte is compared and without making a string. */
const NAMES_BY_LENGTH: readonly (readonly { name: Name; bytes: Uint8Array }[])[] = Array.from(
  { length: 31 },
  (_, length) =>
    NEEDED_HEADERS.filter((name) => name.length === length).map((name) => ({
      name,
      bytes: Buffer.from(name),
    })),
);

const ABSENT = { kind: 'absent' } as const;
const SEVERAL = { kind: 'several' } as const;
const COMMA = 0x2c;

interface Entry {
  name: Name;
  start: number;
  end: number;
}

/**
 * The needed headers of one CheckRequest after the other, read in place from `header_map` and from the `headers` map; what came in both
 * came twice. Text is latin1, so that any byte survives; several lines of it are joined as HTTP joins them.
 */
export class RequestHeaders {
  #token: HeaderValue<Uint8Array> = ABSENT;
  #sandboxId: HeaderValue = ABSENT;
  #sandboxPort: HeaderValue = ABSENT;
  #accept: string | undefined;
  #userAgent: string | undefined;
  #secFetchMode: string | undefined;
  #requestedWith: string | undefined;
  #origin: string | undefined;
  #requestMethod: string | undefined;
  #requestHeaders: string | undefined;
  #requestId: string | undefined;
  #traceparent: string | undefined;
  #clientAddress: string | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #entries: Map<string, Entry> | undefined;

  /** Begins a message. */
  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#entries = undefined;
    this.#token = ABSENT;
    this.#sandboxId = ABSENT;
    this.#sandboxPort = ABSENT;
    this.#accept = undefined;
    this.#userAgent = undefined;
    this.#secFetchMode = undefined;
    this.#requestedWith = undefined;
    this.#origin = undefined;
    this.#requestMethod = undefined;
    this.#requestHeaders = undefined;
    this.#requestId = undefined;
    this.#traceparent = undefined;
    this.#clientAddress = undefined;
  }

  /** A line of `header_map`: lines with one name stay apart. Offsets into the message, ends exclusive. */
  addLine(keyStart: number, keyEnd: number, start: number, end: number): void {
    const name = this.#nameAt(keyStart, keyEnd);
    if (name !== undefined) this.#put(name, start, end);
  }

  /** An entry of the `headers` map: the last one with a key counts, so it has to wait for the end of the message. */
  addEntry(keyStart: number, keyEnd: number, start: number, end: number): void {
    const name = this.#nameAt(keyStart, keyEnd);
    if (name === undefined) return;
    this.#entries ??= new Map();
    this.#entries.set(this.#bytes.toString('latin1', keyStart, keyEnd), { name, start, end });
  }

  /** To be called once, after the whole message. */
  fields(): Omit<GateRequest, 'method' | 'host' | 'path'> {
    for (const { name, start, end } of this.#entries?.values() ?? []) this.#put(name, start, end);
    return {
      token: this.#token,
      sandboxId: this.#sandboxId,
      sandboxPort: this.#sandboxPort,
      accept: this.#accept ?? '',
      userAgent: this.#userAgent ?? '',
      secFetchMode: this.#secFetchMode ?? '',
      requestedWith: this.#requestedWith ?? '',
      origin: this.#origin,
      requestMethod: this.#requestMethod,
      requestHeaders: this.#requestHeaders,
      requestId: this.#requestId ?? '',
      traceparent: this.#traceparent ?? '',
      clientAddress: this.#clientAddress ?? '',
    };
  }

  #put(name: Name, start: number, end: number): void {
    switch (name) {
      case 'e2b-traffic-access-token':
        this.#token =
          this.#token === ABSENT && !this.#hasComma(start, end)
            ? { kind: 'one', value: this.#bytes.subarray(start, end) }
            : SEVERAL;
        return;
      case 'e2b-sandbox-id':
        this.#sandboxId = this.#single(this.#sandboxId, start, end);
        return;
      case 'e2b-sandbox-port':
        this.#sandboxPort = this.#single(this.#sandboxPort, start, end);
        return;
      case 'accept':
        this.#accept = this.#joined(this.#accept, start, end);
        return;
      case 'user-agent':
        this.#userAgent = this.#joined(this.#userAgent, start, end);
        return;
      case 'sec-fetch-mode':
        this.#secFetchMode = this.#joined(this.#secFetchMode, start, end);
        return;
      case 'x-requested-with':
        this.#requestedWith = this.#joined(this.#requestedWith, start, end);
        return;
      case 'origin':
        this.#origin = this.#joined(this.#origin, start, end);
        return;
      case 'access-control-request-method':
        this.#requestMethod = this.#joined(this.#requestMethod, start, end);
        return;
      case 'access-control-request-headers':
        this.#requestHeaders = this.#joined(this.#requestHeaders, start, end);
        return;
      case 'x-request-id':
        this.#requestId = this.#joined(this.#requestId, start, end);
        return;
      case 'traceparent':
        this.#traceparent = this.#joined(this.#traceparent, start, end);
        return;
      case 'x-envoy-external-address':
        this.#clientAddress = this.#joined(this.#clientAddress, start, end);
        return;
      default:
        name satisfies never;
    }
  }

  #single(before: HeaderValue, start: number, end: number): HeaderValue {
    if (before !== ABSENT || this.#hasComma(start, end)) return SEVERAL;
    return { kind: 'one', value: this.#bytes.toString('latin1', start, end) };
  }

  #joined(before: string | undefined, start: number, end: number): string {
    const value = this.#bytes.toString('latin1', start, end);
    return before === undefined ? value : `${before}, ${value}`;
  }

  #hasComma(start: number, end: number): boolean {
    for (let at = start; at < end; at++) if (this.#bytes[at] === COMMA) return true;
    return false;
  }

  #nameAt(start: number, end: number): Name | undefined {
    for (const { name, bytes } of NAMES_BY_LENGTH[end - start] ?? []) {
      if (this.#equals(bytes, start)) return name;
    }
    return undefined;
  }

  /** Envoy sends keys in lower case; a caller that does not must not thereby hide a second token. */
  #equals(name: Uint8Array, start: number): boolean {
    for (let i = 0; i < name.length; i++) {
      const want = name[i] as number;
      const byte = this.#bytes[start + i] as number;
      if (byte !== want && !(want >= 0x61 && (byte | 0x20) === want)) return false;
    }
    return true;
  }
}
