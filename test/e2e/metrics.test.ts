import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { risen, scrape, seriesOf } from '../observe/scrape.ts';
import { ask } from '../stack/client.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import {
  hostOf,
  OTHER_TOKEN,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../stack/test-stack.ts';

let stack: TestStack;
let recorder: Recorder;
beforeAll(async () => {
  recorder = await startRecorder();
  stack = await startTestStack({ 'cache-fresh': '3600', 'cache-hard': '3600', 'cache-absent': '3600' });
  await stack.put(restricted('lockedbox'), publicSandbox('openbox'));
});
afterAll(async () => {
  await stack?.stop();
  await recorder?.close();
});

async function times(count: number, sandboxId: string, headers: Record<string, string> = {}, method = 'GET') {
  for (let n = 0; n < count; n++) {
    await ask(stack.http, { host: hostOf(recorder.port, sandboxId), headers, method });
  }
}

const token = (value: string) => ({ 'e2b-traffic-access-token': value });

describe('the metrics of a running gate', () => {
  it('count exactly the checks of Envoy, and contain no token', async () => {
    const before = seriesOf((await scrape(stack.gate.ops)).body);
    await times(5, 'lockedbox', token(TOKEN));
    await times(4, 'lockedbox', token(OTHER_TOKEN));
    await times(3, 'lockedbox');
    await times(2, 'openbox', token(TOKEN));
    await times(6, 'nobodybox', token(OTHER_TOKEN));
    await times(
      1,
      'lockedbox',
      { origin: 'https://a.test', 'access-control-request-method': 'PUT' },
      'OPTIONS',
    );
    await ask(stack.http, { host: `0-lockedbox.e2b.localhost`, headers: token(TOKEN) });
    await ask(stack.http, { host: 'elsewhere.test', headers: token(TOKEN) });
    const answer = await scrape(stack.gate.ops);
    const after = seriesOf(answer.body);

    const changes = risen(before, after);
    const counted = Object.entries(changes).filter(([name]) =>
      /^sandgate_(decisions|cache|un|fa)/.test(name),
    );
    expect(Object.fromEntries(counted)).toEqual({
      'sandgate_decisions_total{outcome="allow",reason="token"}': 5,
      'sandgate_decisions_total{outcome="allow",reason="public"}': 2,
      'sandgate_decisions_total{outcome="deny",reason="token_invalid"}': 4,
      'sandgate_decisions_total{outcome="deny",reason="token_missing"}': 3,
      'sandgate_decisions_total{outcome="deny",reason="sandbox_not_found"}': 6,
      'sandgate_decisions_total{outcome="deny",reason="invalid_sandbox_port"}': 1,
      'sandgate_decisions_total{outcome="deny",reason="invalid_host"}': 1,
      'sandgate_decisions_total{outcome="preflight",reason="preflight"}': 1,
      'sandgate_cache_lookups_total{result="hit"}': 13,
      'sandgate_cache_lookups_total{result="absent"}': 5,
      'sandgate_cache_lookups_total{result="miss"}': 3,
      'sandgate_cache_loads_total{result="found"}': 2,
      'sandgate_cache_loads_total{result="absent"}': 1,
      'sandgate_cache_entries{kind="policy"}': 2,
      'sandgate_cache_entries{kind="negative"}': 1,
    });
    expect(changes.sandgate_check_duration_seconds_count).toBe(23);
    expect(changes.sandgate_store_read_duration_seconds_count).toBe(3);
    expect(after.get('sandgate_ready')).toBe(1);
    expect(after.get('sandgate_store_up{store="embedded"}')).toBe(1);
    expect([...after.keys()].find((name) => name.startsWith('sandgate_policy_sequence'))).toBeDefined();

    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const secret of [TOKEN, OTHER_TOKEN, 'lockedbox', 'nobodybox', 'openbox', 'elsewhere']) {
      expect(answer.body).not.toContain(secret);
    }
  });

  it('follow the policies in force', async () => {
    const sequence = async () => {
      const { body } = await scrape(stack.gate.ops);
      return Number(/^sandgate_policy_sequence\{epoch="[0-9a-f]{16}"\} (\d+)$/m.exec(body)?.[1]);
    };
    const before = await sequence();
    await stack.put(publicSandbox('another'));
    expect(await sequence()).toBe(before + 1);
  });
});
