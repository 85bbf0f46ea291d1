import { describe, expect, it } from 'vitest';
import { addressOf, MIXES, population } from '../../bench/client/mixes.mjs';
import { requestsOf } from '../../bench/client/requests.mjs';

const target = { port: 8000, token: 'secret', gated: true };
const take = (mix: keyof typeof MIXES, count: number, over = {}) => {
  const requests = requestsOf(MIXES[mix], { ...target, ...over });
  return Array.from({ length: count }, () => {
    const { bytes, status } = requests();
    return { text: bytes.toString(), status };
  });
};

describe('the requests of a mix', () => {
  it('know their expected answer', () => {
    expect(take('allow', 1)[0]?.status).toBe(200);
    expect(take('deny', 1)[0]?.status).toBe(403);
    expect(take('websocket', 1)[0]?.status).toBe(101);
    expect(take('half', 4).map(({ status }) => status)).toEqual([200, 403, 200, 403]);
  });

  it('carry the token if they are to pass, and only then', () => {
    for (const { text, status } of take('half', 10)) expect(text.includes('secret')).toBe(status === 200);
  });

  it('name their destination if no gate does, and are never refused then', () => {
    const [request] = take('deny', 1, { gated: false });
    expect(request).toEqual({
      status: 200,
      text: expect.stringContaining('x-bench-destination: 127.0.0.1:8000\r\n'),
    });
    expect(take('allow', 1)[0]?.text).not.toContain('x-bench-destination');
  });

  it('continue where the last round ended, each sandbox once', () => {
    const hosts = take('cold', 3, { from: 99_999 }).map(({ text }) => /Host: (\S+)/.exec(text)?.[1]);
    expect(hosts).toEqual(['8000-s99999.e2b.localhost', '8000-s0.e2b.localhost', '8000-s1.e2b.localhost']);
  });

  it('are the same for every contender', () => {
    expect(take('zipf10k', 50)).toEqual(take('zipf10k', 50));
  });
});

it('a run writes as many policies as its mixes need', () => {
  expect(population(['allow'])).toEqual({ s: 1, d: 1 });
  expect(population(['allow', 'zipf10k', 'destinations'])).toEqual({ s: 10_000, d: 10_000 });
});

it('each of 20,000 destinations has its own loopback address', () => {
  const addresses = Array.from({ length: 20_000 }, (_, n) => addressOf('d', n));
  expect(new Set(addresses).size).toBe(20_000);
  expect(addresses.every((address) => /^127\.1\.\d{1,3}\.\d{1,3}$/.test(address))).toBe(true);
});
