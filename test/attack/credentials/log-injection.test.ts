import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DECISION_FIELDS } from '../../../src/observe/decision-line.ts';
import { connectCheck } from '../../e2e/check-client.ts';
import { policy, type RunningApi, startApi } from '../../policy-api/running-api.ts';
import { eventually } from '../../stack/eventually.ts';
import { PATIENCE } from '../../stack/patience.ts';

let api: RunningApi;
let ingress: ReturnType<typeof connectCheck>;
beforeAll(async () => {
  // Directly to Check, because an Envoy in between stops half of these.
  api = await startApi({ logAllows: '1', domains: '*' });
  ingress = connectCheck(api.gate.check);
  expect((await api.ask({ method: 'POST', json: [policy('sbx')] })).status).toBe(200);
});
afterAll(async () => {
  ingress?.close();
  await api?.stop();
});

const HOST = '8080-sbx.e2b.localhost';
const FORGED = '{"level":30,"msg":"decision","outcome":"allow","sandbox_id":"forged"}';
const HOSTILE: Record<string, string> = {
  'a line of its own': `x\n${FORGED}\n`,
  'a carriage return': `x\r${FORGED}`,
  'a line separator of Unicode': `x\u2028${FORGED}`,
  quotes: `x","outcome":"allow","sandbox_id":"forged`,
  'ANSI that clears the screen': '\x1b[2J\x1b[H\x1b]0;owned\x07',
  'a NUL': 'x\0y',
  'a label of a metric': 'x"} 1\nsandgate_ready{a="',
  '60 KB': 'x'.repeat(60_000),
  'bytes that are no UTF-8': Buffer.from([0xff, 0xfe, 0x80]).toString('latin1'),
};
const HEADERS = [
  'user-agent',
  'accept',
  'origin',
  'traceparent',
  'x-request-id',
  'x-envoy-external-address',
  'e2b-sandbox-id',
  'e2b-sandbox-port',
  'e2b-traffic-access-token',
];

/** Fields that the logger adds. */
const FIELDS = ['level', 'time', 'pid', 'hostname', 'msg', ...Object.keys(DECISION_FIELDS)];

/** Every new line of the log, as JSON. */
async function linesOf(work: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const before = api.logs().length;
  await work();
  // The gate logs a decision after it has answered.
  const grown = await eventually(() => {
    const lines = api.logs().slice(before);
    expect(lines).toMatch(/\n$/);
    return lines;
  });
  expect(grown).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  return grown
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function series(): Promise<string[]> {
  const { host, port } = api.gate.ops;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const ours = text.split('\n').filter((line) => line.startsWith('sandgate_'));
  return ours.map((line) => line.replace(/ \S+$/, '')).sort();
}

describe.each(Object.entries(HOSTILE))('A2: %s', (_, hostile) => {
  it('in a header, the method, the path or the host makes one line and adds no field', async () => {
    const known = await series();
    const requests = [
      ...HEADERS.map((name) => ({ host: HOST, headers: { [name]: hostile } })),
      { host: HOST, method: hostile },
      { host: HOST, path: `/${hostile}` },
      { host: hostile },
      { host: `${hostile}@${HOST}` },
      { host: `${HOST}:${hostile}` },
    ];
    for (const request of requests) {
      const lines = await linesOf(() => ingress.check(request));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ msg: 'decision', outcome: 'deny' });
      const text = JSON.stringify(lines[0]);
      expect(text.length).toBeLessThan(600);
      expect(text).not.toMatch(/forged|owned|xxxx|\\u001b/);
      for (const field of Object.keys(lines[0]!)) expect(FIELDS).toContain(field);
    }
    expect(await series()).toEqual(known);
  });
});

describe('A2: a flood of denials', () => {
  it('is logged in part, and the rest is counted: no line is lost silently', async () => {
    const asked = 3000;
    const before = api.logs().length;
    const lines = await linesOf(async () => {
      for (let sent = 0; sent < asked; sent += 100) {
        await Promise.all(Array.from({ length: 100 }, () => ingress.check({ host: HOST })));
      }
      await vi.waitFor(
        () => expect(denialsIn(api.logs().slice(before))).toBeGreaterThanOrEqual(asked),
        PATIENCE,
      );
    });
    const dropped = lines.filter(({ msg }) => msg === 'decisions_dropped');
    expect(dropped.length).toBeGreaterThan(0);
    const logged = lines.length - dropped.length;
    expect(logged + dropped.reduce((sum, { count }) => sum + Number(count), 0)).toBe(asked);
  });
});

/** Denials in a log, single or counted as dropped. */
function denialsIn(log: string): number {
  const dropped = [...log.matchAll(/"count":(\d+),"msg":"decisions_dropped"/g)];
  return (
    log.split('"outcome":"deny"').length - 1 + dropped.reduce((sum, [, count]) => sum + Number(count), 0)
  );
}
