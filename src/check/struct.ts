import { bytesField, doubleField, textField, varintField, type WireBytes } from './wire-writer.ts';

/** Field numbers of google.protobuf.Struct, its map entries and Value. */
const STRUCT_FIELDS = 1;
const ENTRY_KEY = 1;
const ENTRY_VALUE = 2;
const VALUE_NUMBER = 2;
const VALUE_STRING = 3;
const VALUE_BOOL = 4;

/** A google.protobuf.Struct of plain values; what is undefined is left out. */
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
