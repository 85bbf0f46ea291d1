import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCheckRequest } from '../../src/check/decode.ts';
import type { GateRequest } from '../../src/decision/decision.ts';
import { LONG, LONG_TEST_MS } from '../stack/long.ts';
import { full, wild } from './check-requests.ts';
import { referenceRequest } from './oracle.ts';

/** Undefined if the message is refused, which must be with CHECK_MALFORMED. */
function decoded(bytes: Buffer): GateRequest | undefined {
  try {
    return decodeCheckRequest(bytes);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CHECK_MALFORMED' });
    return undefined;
  }
}

test('a full message reads as the oracle reads it', { timeout: LONG_TEST_MS }, () => {
  fc.assert(
    fc.property(full, (bytes) => {
      const reference = referenceRequest(bytes);
      expect(reference).toBeDefined();
      expect(decoded(bytes)).toEqual(reference);
    }),
    { numRuns: LONG ? 5000 : 250 },
  );
});

test('fields in any order and number, split submessages and unknown fields read as the oracle reads them', {
  timeout: LONG_TEST_MS,
}, () => {
  let read = 0;
  fc.assert(
    fc.property(wild, (bytes) => {
      const reference = referenceRequest(bytes);
      expect(decoded(bytes)).toEqual(reference);
      if (reference !== undefined) read++;
    }),
    { numRuns: LONG ? 30_000 : 1500 },
  );
  expect(read).toBeGreaterThan(500);
});

test('a message cut off at any byte is refused, or reads as the oracle reads it', {
  timeout: LONG_TEST_MS,
}, () => {
  fc.assert(
    fc.property(full, (bytes) => {
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const request = decoded(cut);
        if (request !== undefined) expect(request).toEqual(referenceRequest(cut));
      }
    }),
    { numRuns: LONG ? 200 : 20 },
  );
});

test('a message with any bytes changed is refused, or reads as the oracle reads it', {
  timeout: LONG_TEST_MS,
}, () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  let read = 0;
  fc.assert(
    fc.property(fc.oneof(full, wild), changes, (original, edits) => {
      fc.pre(original.length > 0);
      const bytes = Buffer.from(original);
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      const request = decoded(bytes);
      const reference = referenceRequest(bytes);
      if (request !== undefined && reference !== undefined) {
        expect(request).toEqual(reference);
        read++;
      }
    }),
    { numRuns: LONG ? 50_000 : 2500 },
  );
  expect(read).toBeGreaterThan(500);
});

test('random bytes are refused, or read as the oracle reads them', { timeout: LONG_TEST_MS }, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      const bytes = Buffer.from(random);
      const request = decoded(bytes);
      if (request !== undefined) expect(request).toEqual(referenceRequest(bytes));
    }),
    { numRuns: LONG ? 50_000 : 5000 },
  );
});
