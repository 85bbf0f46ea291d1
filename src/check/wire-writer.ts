import { FIELDS } from './field-numbers.ts';

/**
 * Protobuf fields as strings, one character (0..255) per byte: V8 joins strings faster than buffers, and nested
 * messages need no second pass for their lengths. `Buffer.from(text, 'latin1')` makes the message.
 */
export type WireBytes = string;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

const { fields: STRUCT_FIELDS } = FIELDS['google.protobuf.Struct'];
const { key: ENTRY_KEY, value: ENTRY_VALUE } = FIELDS.MapEntry;
const {
  number_value: VALUE_NUMBER,
  string_value: VALUE_STRING,
  bool_value: VALUE_BOOL,
} = FIELDS['google.protobuf.Value'];

/** A submessage or an ASCII string. `field` must be below 16, so that the tag is one byte. */
export function bytesField(field: number, content: WireBytes): WireBytes {
  return String.fromCharCode((field << 3) | BYTES) + varint(content.length) + content;
}

/** Any text, as UTF-8. */
export function textField(field: number, text: string): WireBytes {
  return bytesField(field, Buffer.from(text, 'utf8').toString('latin1'));
}

/** An unsigned number below 2^31, or a bool. */
export function varintField(field: number, value: number | boolean): WireBytes {
  return String.fromCharCode((field << 3) | VARINT) + varint(Number(value));
}

/** A google.protobuf.Struct of plain values, without the undefined ones. */
export function encodeStruct(
  fields: Readonly<Record<string, string | number | boolean | undefined>>,
): WireBytes {
  let struct = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const entry = textField(ENTRY_KEY, key) + bytesField(ENTRY_VALUE, encodeValue(value));
    struct += bytesField(STRUCT_FIELDS, entry);
  }
  return struct;
}

function encodeValue(value: string | number | boolean): WireBytes {
  switch (typeof value) {
    case 'string':
      return textField(VALUE_STRING, value);
    case 'number':
      return doubleField(VALUE_NUMBER, value);
    case 'boolean':
      return varintField(VALUE_BOOL, value);
    default:
      return value satisfies never;
  }
}

function doubleField(field: number, value: number): WireBytes {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return String.fromCharCode((field << 3) | FIXED64) + bytes.toString('latin1');
}

function varint(value: number): WireBytes {
  let bytes = '';
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes += String.fromCharCode((rest & 0x7f) | 0x80);
  return bytes + String.fromCharCode(rest);
}
