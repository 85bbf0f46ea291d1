import type { GateRequest } from '../decision/decision.ts';
import { REQUEST_HEADERS } from '../target/headers.ts';
import type { HeaderValue } from '../target/target.ts';

type Field = keyof typeof REQUEST_HEADERS;

const NEEDED = (Object.keys(REQUEST_HEADERS) as Field[]).map((field) => ({
  field,
  bytes: Buffer.from(REQUEST_HEADERS[field]),
}));

const LONGEST_NAME = Math.max(...NEEDED.map(({ bytes }) => bytes.length));

/** By the length of the name, which alone tells most headers apart: no string is made, and few bytes are compared. */
const NEEDED_BY_LENGTH: readonly (readonly { field: Field; bytes: Uint8Array }[])[] = Array.from(
  { length: LONGEST_NAME + 1 },
  (_, length) => NEEDED.filter(({ bytes }) => bytes.length === length),
);

const ABSENT = { kind: 'absent' } as const;
const SEVERAL = { kind: 'several' } as const;
const COMMA = 0x2c;

interface Entry {
  field: Field;
  start: number;
  end: number;
}

/**
 * Collects the needed headers of one CheckRequest at a time, read in place from `header_map` and from the `headers` map;
 * a header in both counts as sent twice. Text is latin1, so that any byte survives; several lines are joined as HTTP
 * joins them.
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

  /** Begins a new message. */
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
    const field = this.#fieldAt(keyStart, keyEnd);
    if (field !== undefined) this.#put(field, start, end);
  }

  /** An entry of the `headers` map: the last one of each key counts, so entries wait for the end of the message. */
  addEntry(keyStart: number, keyEnd: number, start: number, end: number): void {
    const field = this.#fieldAt(keyStart, keyEnd);
    if (field === undefined) return;
    this.#entries ??= new Map();
    this.#entries.set(this.#bytes.toString('latin1', keyStart, keyEnd), { field, start, end });
  }

  /** Call this once, after the whole message. */
  fields(): Omit<GateRequest, 'method' | 'host' | 'path' | 'peerAddress'> {
    for (const { field, start, end } of this.#entries?.values() ?? []) this.#put(field, start, end);
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

  #put(field: Field, start: number, end: number): void {
    switch (field) {
      case 'token':
        this.#token =
          this.#token === ABSENT && !this.#hasComma(start, end)
            ? { kind: 'one', value: this.#bytes.subarray(start, end) }
            : SEVERAL;
        return;
      case 'sandboxId':
        this.#sandboxId = this.#single(this.#sandboxId, start, end);
        return;
      case 'sandboxPort':
        this.#sandboxPort = this.#single(this.#sandboxPort, start, end);
        return;
      case 'accept':
        this.#accept = this.#joined(this.#accept, start, end);
        return;
      case 'userAgent':
        this.#userAgent = this.#joined(this.#userAgent, start, end);
        return;
      case 'secFetchMode':
        this.#secFetchMode = this.#joined(this.#secFetchMode, start, end);
        return;
      case 'requestedWith':
        this.#requestedWith = this.#joined(this.#requestedWith, start, end);
        return;
      case 'origin':
        this.#origin = this.#joined(this.#origin, start, end);
        return;
      case 'requestMethod':
        this.#requestMethod = this.#joined(this.#requestMethod, start, end);
        return;
      case 'requestHeaders':
        this.#requestHeaders = this.#joined(this.#requestHeaders, start, end);
        return;
      case 'requestId':
        this.#requestId = this.#joined(this.#requestId, start, end);
        return;
      case 'traceparent':
        this.#traceparent = this.#joined(this.#traceparent, start, end);
        return;
      case 'clientAddress':
        this.#clientAddress = this.#joined(this.#clientAddress, start, end);
        return;
      default:
        field satisfies never;
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

  #fieldAt(start: number, end: number): Field | undefined {
    for (const { field, bytes } of NEEDED_BY_LENGTH[end - start] ?? []) {
      if (this.#equals(bytes, start)) return field;
    }
    return undefined;
  }

  /** Ignores case: Envoy sends keys in lower case, and any other caller must not be able to hide a second token. */
  #equals(name: Uint8Array, start: number): boolean {
    for (let i = 0; i < name.length; i++) {
      const want = name[i] as number;
      const byte = this.#bytes[start + i] as number;
      if (byte !== want && !(want >= 0x61 && (byte | 0x20) === want)) return false;
    }
    return true;
  }
}
