import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const API_KEY = /^e2b_[0-9a-f]{40}$/;

export function newApiKey(random: (bytes: number) => Buffer): string {
  return `e2b_${random(20).toString('hex')}`;
}

/** Compares digests in constant time, so that timing reveals neither the length nor a prefix of the key. */
export function createKeyTest(key: string): (presented: string) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(key);
  return (presented) => timingSafeEqual(expected, digest(presented));
}

/** The token that opens a restricted sandbox's URLs: the same for all ports, for as long as the sandbox exists. */
export function trafficToken(seed: string, sandboxId: string): string {
  return createHmac('sha256', seed).update(`sandbox-traffic-${sandboxId}`).digest('hex');
}

/** The token that the agent requires as `X-Access-Token`. Derived, so that it need not be stored. */
export function agentToken(seed: string, sandboxId: string): string {
  return createHmac('sha256', seed).update(`sandbox-agent-${sandboxId}`).digest('hex');
}
