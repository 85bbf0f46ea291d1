import { describe, expect, it } from 'vitest';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { OTHER_FORWARDED_HEADERS } from '../../src/envoy/trusted-hops.ts';
import { sandgateInside } from '../stack/command-inside.ts';

const config = (...more: string[]) => sandgateInside(['envoy', 'config', ...more]);

describe('`envoy config --trusted-hops`', () => {
  it('prints the same config as without it for 0 proxies', async () => {
    expect((await config('--trusted-hops', '0')).stdout).toBe((await config()).stdout);
  });

  it('tells Envoy the number of proxies', async () => {
    expect((await config('--trusted-hops', '2')).stdout).toContain('xff_num_trusted_hops: 2');
  });

  it.each(['-1', '1.5', 'one', '', '17', '1e1'])('refuses %j', async (text) => {
    const { code, stderr } = await config(`--trusted-hops=${text}`);
    expect(code).toBe(2);
    expect(stderr).toContain('--trusted-hops: must be a number from 0 to 16');
  });

  it('keeps x-forwarded-for and x-forwarded-proto of all names that start with x-forwarded-', () => {
    const whole = new RegExp(`^(?:${OTHER_FORWARDED_HEADERS})$`);
    const kept = ['x-forwarded-for', 'x-forwarded-proto'];
    for (const name of kept) expect(name).not.toMatch(whole);
    // Every prefix of the two, alone, with another next character, and with one more.
    const tails = ['for', 'proto'].flatMap((word) =>
      [...word, ''].flatMap((_, end) =>
        ['', 'x', '-', 'o', 'r', '0', 'for', 'proto'].map((more) => word.slice(0, end) + more),
      ),
    );
    const names = [...tails, 'host', 'port', 'server', 'client-cert', 'f', 'p'].map(
      (tail) => `x-forwarded-${tail}`,
    );
    for (const name of names.filter((one) => !kept.includes(one))) expect(name).toMatch(whole);
  });

  it('works on the TLS listener alone', async () => {
    const rendered = renderBootstrap(await loadBundledConfig(), {
      http: [],
      https: [{ host: '127.0.0.1', port: 0 }],
      tls: { certificate: '/a', key: '/b' },
      gates: [],
      admin: { path: '/c' },
      trustedHops: 1,
    });
    expect(rendered).toContain('xff_num_trusted_hops: 1');
    expect(rendered).toContain(OTHER_FORWARDED_HEADERS);
  });
});
