import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../stack/client.ts';
import { hostAt, ID, ORDER_CASES, PREFLIGHT, PREFLIGHT_CASES, WITH_TOKEN } from './cases.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { casesOn, expectCase, WIRES } from './wires.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => fleet?.stop());

describe.each(WIRES)('over %s', (_, wire) => {
  it.each(casesOn(wire, ORDER_CASES))('%s', (_, one) => expectCase(fleet, wire, one));
});

describe('a preflight', () => {
  const preflight = (headers: Record<string, string>, host = hostAt(ID)) => {
    const own = { origin: 'https://page.example', 'access-control-request-method': 'PUT', ...headers };
    return ask(fleet.stack.http, { host, method: 'OPTIONS', headers: own });
  };

  it('gets the same bytes for every id, known or not', async () => {
    const answered = [];
    for (const { request, expected } of PREFLIGHT_CASES) {
      if (expected !== PREFLIGHT) continue;
      const { status, headers, body } = await ask(fleet.stack.http, request);
      answered.push(JSON.stringify({ status, body, ...headers, date: '' }));
    }
    expect(answered.length).toBeGreaterThan(10);
    expect(new Set(answered).size).toBe(1);
    expect(answered[0]).not.toContain('credentials');
  });

  it.each([
    ['up to 1 KiB', 'a'.repeat(1024), 'a'.repeat(1024)],
    ['none over 1 KiB', 'a'.repeat(1025), undefined],
    ['names, commas and spaces', 'X-One, x_two,x-three', 'X-One, x_two,x-three'],
    ['no other characters', 'x-one; y', undefined],
    ['no markup', '<b>', undefined],
    ['none if none are requested', '', undefined],
  ])('echoes the requested headers: %s', async (_, request, echoed) => {
    const { status, headers } = await preflight({ 'access-control-request-headers': request });
    expect(status).toBe(204);
    expect(headers['access-control-allow-headers']).toBe(echoed);
  });

  it('echoes the requested method, but not an invalid one', async () => {
    const allowed = async (method: string) =>
      (await preflight({ 'access-control-request-method': method })).headers['access-control-allow-methods'];
    expect(await allowed('PROPFIND')).toBe('PROPFIND');
    expect(await allowed('PUT"')).toBeUndefined();
  });

  it('never allows credentials, whatever the origin', async () => {
    for (const origin of ['null', 'https://other.example', '']) {
      const { headers } = await preflight({ origin });
      expect(headers['access-control-allow-origin']).toBe('*');
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
    }
  });
});

it("keeps the client's method, path and headers, and removes headers that only the ingress may set", async () => {
  fleet.takeArrivals();
  await ask(fleet.stack.http, {
    host: hostAt(ID),
    method: 'PROPFIND',
    path: '/a//b/../c;d?e=%2F&e=+',
    headers: {
      ...WITH_TOKEN,
      'x-mine': ['one', 'two'],
      cookie: 'a=b',
      authorization: 'Bearer own',
      'x-envoy-original-dst-host': '127.0.0.1:1',
      'x-sandgate-reason': 'forged',
      'x-forwarded-host': 'forged',
      forwarded: 'host=forged',
    },
  });
  const [arrival] = fleet.takeArrivals();
  expect(arrival).toMatchObject({
    at: [ID, 8080],
    method: 'PROPFIND',
    url: '/a//b/../c;d?e=%2F&e=+',
    headers: { cookie: 'a=b', authorization: 'Bearer own' },
  });
  expect(arrival!.rawHeaders.filter(([name]) => /^x-mine$/i.test(name)).map(([, value]) => value)).toEqual([
    'one',
    'two',
  ]);
  expect(
    Object.keys(arrival!.headers).filter((name) => /^(x-envoy|x-sandgate|forwarded)/.test(name)),
  ).toEqual([]);
  expect(arrival!.headers).not.toHaveProperty('x-forwarded-host');
});
