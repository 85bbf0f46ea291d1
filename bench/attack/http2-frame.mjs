/**
 * One HTTP/2 frame (RFC 9113, section 4.1).
 * @param {number} type @param {number} flags @param {number} stream @param {Buffer} payload
 */
export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
