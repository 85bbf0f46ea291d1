import { SandgateError } from '../errors.ts';

/** Protobuf wire types (encoding spec). */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const GROUP_START = 3;
const GROUP_END = 4;
const FIXED32 = 5;

const NOTHING = new Uint8Array(0);

/** The limit of Google's parsers: deeper nesting is an attack, not a message. */
const GROUP_DEPTH = 100;

/**
 * Reads protobuf fields from a buffer in place. Every length is checked against the end of the message around it
 * before it is used. Throws CHECK_MALFORMED, never anything else.
 */
export class WireReader {
  bytes: Uint8Array = NOTHING;
  /** Offset of the next byte. */
  at = 0;

  /** Begins a new message, so that one reader serves every request. */
  start(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /**
   * A field's tag or a length, below 2^32. Five bytes are enough for both; longer forms are refused, because parsers
   * disagree about them.
   */
  uint32(end: number): number {
    const { bytes } = this;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= end) throw malformed('a number is cut short');
      const byte = bytes[this.at++] as number;
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break;
        return (value | (byte << shift)) >>> 0;
      }
      value |= (byte & 0x7f) << shift;
    }
    throw malformed('a number is too long');
  }

  /** A tag: field number in the upper 29 bits, wire type in the lower three. */
  tag(end: number): number {
    const tag = this.uint32(end);
    if (tag >>> 3 === 0) throw malformed('a field has the number 0');
    return tag;
  }

  /** The end offset of the length-delimited field whose tag was just read; `at` is then its first byte. */
  fieldEnd(tag: number, end: number): number {
    if ((tag & 7) !== BYTES) throw malformed('a field has the wrong wire type');
    const length = this.uint32(end);
    if (length > end - this.at) throw malformed('a length runs past the end');
    return this.at + length;
  }

  /** Passes over the field whose tag was just read. */
  skip(tag: number, end: number, depth = 0): void {
    switch (tag & 7) {
      case VARINT:
        this.#skipVarint(end);
        return;
      case FIXED64:
        this.#advance(8, end);
        return;
      case BYTES:
        this.at = this.fieldEnd(tag, end);
        return;
      case FIXED32:
        this.#advance(4, end);
        return;
      case GROUP_START:
        this.#skipGroup(tag >>> 3, end, depth + 1);
        return;
      default:
        throw malformed('a field has an impossible wire type');
    }
  }

  #skipVarint(end: number): void {
    for (let length = 0; length < 10; length++) {
      if (this.at >= end) throw malformed('a number is cut short');
      if ((this.bytes[this.at++] as number) < 0x80) return;
    }
    throw malformed('a number is too long');
  }

  #skipGroup(field: number, end: number, depth: number): void {
    if (depth > GROUP_DEPTH) throw malformed('groups are nested too deeply');
    for (;;) {
      const tag = this.tag(end);
      if ((tag & 7) === GROUP_END) {
        if (tag >>> 3 !== field) throw malformed('a group ends with the tag of another');
        return;
      }
      this.skip(tag, end, depth);
    }
  }

  #advance(length: number, end: number): void {
    if (length > end - this.at) throw malformed('a field is cut short');
    this.at += length;
  }
}

export function malformed(fault: string): SandgateError {
  return new SandgateError('CHECK_MALFORMED', `the CheckRequest cannot be decoded: ${fault}`);
}
