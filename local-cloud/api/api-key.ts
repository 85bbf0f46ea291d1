import { createHash, timingSafeEqual } from 'node:crypto';

export const API_KEY = /^e2b_[0-9a-f]{40}$/;

export function newApiKey(random: (bytes: number) => Buffer): string {
  return `e2b_${random(20).toString('hex')}`;
}

/** Compares digests in constant time: neither the length nor a prefix can be found out by asking. */
export function createKeyTest(key: string): (presented: string) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(key);
  return (presented) => timingSafeEqual(expected, digest(presented));
}
