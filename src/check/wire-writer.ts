/**
 * Protobuf fields as strings of bytes, one character (0..255) per byte: V8 joins strings faster than buffers, and
 * nested messages need no second pass for their lengths. `Buffer.from(text, 'latin1')` makes the message.
 */
export type WireBytes = string;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** A submessage, or a string of ASCII. `field` is below 16, so that the tag is one byte. */
export function bytesField(field: number, content: WireBytes): WireBytes {
  return String.fromCharCode((field << 3) | BYTES) + varint(content.length) + content;
}

/** A string of any text, as UTF-8. */
export function textField(field: number, text: string): WireBytes {
  return bytesField(field, Buffer.from(text, 'utf8').toString('latin1'));
}

/** An unsigned number below 2^31, or a bool. */
export function varintField(field: number, value: number | boolean): WireBytes {
  return String.fromCharCode((field << 3) | VARINT) + varint(Number(value));
}

export function doubleField(field: number, value: number): WireBytes {
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
