import { createHash } from 'node:crypto';
import type { Clock } from '../../src/policy/clock.ts';
import { type PolicyRules, parseNetworks } from '../../src/policy/network.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { PolicyPut, UnreadRecord } from '../../src/policy/record.ts';

export const NOW = Date.parse('2030-01-01T00:00:00Z');
export const EPOCH = '0123456789abcdef';

export const rules: PolicyRules = {
  routing: 'gate',
  publicTraffic: 'allow',
  networks: parseNetworks(['10.0.0.0/8', 'fd12:3456::/32']),
  isOwnListener: (address, port) => address === '10.0.0.1' && port === 3002,
  isNodeProxy: () => false,
};

export const digestOf = (token: string) => createHash('sha256').update(token).digest('hex');

/** The shortest valid put. */
export function input(sandboxId = 'sbx1', more: { runtime?: object; access?: object } = {}) {
  return {
    sandboxId,
    runtime: { route: { address: '10.0.3.7' }, ...more.runtime },
    ...(more.access && { access: more.access }),
  };
}

export const put = (sandboxId?: string, more?: Parameters<typeof input>[1]): PolicyPut =>
  parsePut(input(sandboxId, more), rules);

/** A complete stored record. */
export function stored(
  sandboxId = 'sbx1',
  more: { runtime?: object; access?: object } = {},
  sequence = 1,
): UnreadRecord {
  const version = `${EPOCH}.${sequence}`;
  return {
    schema: 1,
    sandboxId,
    runtime: {
      incarnation: '7f3a',
      state: 'running',
      route: { address: '10.0.3.7' },
      version,
      ...more.runtime,
    },
    access: {
      allowPublicTraffic: false,
      tokens: [],
      revoked: [],
      upstreamToken: 'strip',
      version,
      ...more.access,
    },
  };
}

export const token = (id: string, more: object = {}) => ({
  id,
  sha256: digestOf(id),
  createdAt: '2029-12-31T00:00:00Z',
  ...more,
});

/** Both clocks, controlled by the test. */
export class FakeClock implements Clock {
  wall = NOW;
  mono = 1000;
  now = () => this.wall;
  monotonic = () => this.mono;
  advance(ms: number): void {
    this.wall += ms;
    this.mono += ms;
  }
}
