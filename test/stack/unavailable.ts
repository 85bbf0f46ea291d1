import { expect } from 'vitest';
import type { Answered } from './client.ts';

/** The 503 of the contract, byte for byte, from the gate, or from Envoy if there is no gate. */
export function expectUnavailable(answered: Answered): void {
  expect(answered.status).toBe(503);
  expect(answered.body).toBe(
    '{"message":"The access check is temporarily unavailable. Try again in a moment.","code":503}',
  );
  expect(answered.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'x-sandgate-reason': 'unavailable',
    'retry-after': '1',
    'access-control-allow-origin': '*',
    'cache-control': 'no-store',
    vary: 'accept, sec-fetch-mode, user-agent',
  });
}
