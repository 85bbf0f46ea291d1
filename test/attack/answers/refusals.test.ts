import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, ask, openWebSocket } from '../../stack/client.ts';
import { digestOf, hostOf, TOKEN } from '../../stack/test-stack.ts';
import { BROWSER, expectRefusalHeaders, openRefusals, REFUSALS, type Refusals } from './every-refusal.ts';

let refusals: Refusals;
beforeAll(async () => {
  refusals = await openRefusals();
});
afterAll(() => refusals?.scene.close());

const NAME = 'e2b-traffic-access-token';

describe('F2: tokens that differ', () => {
  const wrong = [
    'x',
    '0'.repeat(64),
    TOKEN.slice(0, 63),
    `${TOKEN.slice(0, 63)}f`,
    `f${TOKEN.slice(1)}`,
    `${TOKEN}0`,
    `${TOKEN}${TOKEN}`,
    TOKEN.toUpperCase(),
    `"${TOKEN}"`,
    `Bearer ${TOKEN}`,
    digestOf(TOKEN),
    Buffer.from(TOKEN, 'hex').toString('base64'),
    'x'.repeat(8000),
    `${TOKEN}\xff`,
    `${TOKEN}\\0`,
  ];

  it('in length, prefix, case or spelling get the same bytes', async () => {
    const answers: Omit<Answered, 'status'>[] = [];
    for (const token of wrong) {
      const { status, headers, body } = await ask(refusals.scene.stack.http, {
        host: hostOf(80, 'locked'),
        headers: { [NAME]: token },
      });
      expect(status).toBe(403);
      answers.push({ headers: { ...headers, date: '' }, body });
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(refusals.scene.arrived()).toBe(0);
  });
});

describe('F3: a program', () => {
  const programs = {
    fetch: { ...BROWSER, accept: '*/*', 'sec-fetch-mode': 'cors' },
    'an image or script': { ...BROWSER, 'sec-fetch-mode': 'no-cors' },
    'a same-origin fetch': { ...BROWSER, 'sec-fetch-mode': 'same-origin' },
    XMLHttpRequest: {
      'user-agent': BROWSER['user-agent'],
      accept: '*/*',
      'x-requested-with': 'XMLHttpRequest',
    },
    'a script that wants JSON': { 'user-agent': BROWSER['user-agent'], accept: 'application/json, */*' },
    'a WebSocket': { ...BROWSER, 'sec-fetch-mode': 'websocket' },
    'E2B’s Python SDK': { 'user-agent': 'e2b-python-sdk/1.5.0', accept: '*/*' },
    'E2B’s JavaScript SDK': { 'user-agent': 'e2b-js-sdk/1.5.0', accept: '*/*' },
    curl: { 'user-agent': 'curl/8.5.0', accept: '*/*' },
    'who says nothing': {},
  };

  let answersOf: Map<string, Answered[][]>;
  beforeAll(async () => {
    const all = Object.entries(programs).map(
      async ([who, headers]) => [who, await refusals.answersAs(headers)] as const,
    );
    answersOf = new Map(await Promise.all(all));
  });

  it.each(Object.keys(programs))('such as %s gets JSON, and is never redirected', (who) => {
    answersOf.get(who)!.forEach((answers, index) => {
      const { status } = REFUSALS[index]!;
      for (const answer of answers) {
        expect(answer.status).toBe(status);
        expectRefusalHeaders(answer);
        expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
        expect(JSON.parse(answer.body)).toMatchObject({ code: status });
      }
    });
  });

  it('that opens a WebSocket gets JSON', async () => {
    const hosts = [hostOf(80, 'locked'), hostOf(80, 'nobody'), hostOf(1, 'slow')];
    const headers = programs['a WebSocket'];
    const opened = hosts.map((host) => openWebSocket(refusals.scene.stack.http, { host, headers }));
    for (const refused of await Promise.all(opened)) {
      if (!('status' in refused)) throw new Error('was let in');
      expect(JSON.parse(refused.body)).toMatchObject({ code: refused.status });
    }
  });
});
