import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, askHttp2, askRaw } from '../stack/client.ts';
import { hostAt, ID, OTHER, TARGET_CASES, WITH_TOKEN } from './cases.ts';
import { type Fleet, type FleetArrival, startFleet } from './fleet.ts';
import { casesOn, expectCase, WIRES } from './wires.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => fleet?.stop());

describe.each(WIRES)('the target over %s', (_, wire) => {
  it.each(casesOn(wire, TARGET_CASES))('%s', (_, one) => expectCase(fleet, wire, one));
});

describe('a host that two parsers could read differently', () => {
  const request = (...lines: string[]) =>
    askRaw(fleet.stack.http, [...lines, 'Connection: close', '', ''].join('\r\n'));

  const refused: readonly [what: string, lines: readonly string[]][] = [
    ['two Host headers', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}`, `Host: ${hostAt(ID)}`]],
    ['the same Host header twice', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}`, `Host: ${hostAt(OTHER)}`]],
    ['no Host', ['GET / HTTP/1.1']],
    ['an empty Host', ['GET / HTTP/1.1', 'Host:']],
    ['a user before it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}@${hostAt(ID)}`]],
    ['a space in it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)} x`]],
    ['a slash in it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}/x`]],
    ['a backslash in it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}\\x`]],
    ['a question mark in it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}?x`]],
    ['a control character in it', ['GET / HTTP/1.1', `Host: ${hostAt(OTHER)}\x01`]],
    ['a character beyond ASCII in it', ['GET / HTTP/1.1', `Host: 8080-${OTHER}\xe9.e2b.app`]],
    ['a full-width digit in it', ['GET / HTTP/1.1', `Host: \xef\xbc\x988080-${OTHER}.e2b.app`]],
  ];
  let answers: string[];
  let overHttp2: Answered | { code: string };
  let arrivals: FleetArrival[];
  // Sent concurrently, because Envoy keeps a refused connection open for a second.
  beforeAll(async () => {
    fleet.takeArrivals();
    const host = `${hostAt(OTHER)}@${hostAt(ID)}`;
    [answers, overHttp2] = await Promise.all([
      Promise.all(refused.map(([, lines]) => request(...lines))),
      askHttp2(fleet.stack.http, { host }).catch((error) => error),
    ]);
    arrivals = fleet.takeArrivals();
  });

  it.each(refused.map(([what], index) => [what, index] as const))('is a 400: %s', (_, index) => {
    expect(answers[index]).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('is refused over HTTP/2 too, with a user before it', () => {
    expect(overHttp2).toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' });
  });

  it('does not reach any sandbox', () => {
    expect(arrivals).toEqual([]);
  });

  it('is that of the request target if it is absolute', async () => {
    expect(await request(`GET http://${hostAt(OTHER)}/x HTTP/1.1`, `Host: ${hostAt(ID)}`)).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    const [arrival, ...more] = fleet.takeArrivals();
    expect(more).toEqual([]);
    expect(arrival).toMatchObject({ at: [OTHER, 8080], url: '/x', headers: { host: hostAt(OTHER) } });
  });

  it('is `:authority` over HTTP/2, whatever `host` says', async () => {
    const headers = { ...WITH_TOKEN, host: hostAt(OTHER) };
    expect((await askHttp2(fleet.stack.http, { host: hostAt(ID), headers })).status).toBe(200);
    expect(fleet.takeArrivals()).toMatchObject([{ at: [ID, 8080], headers: { host: hostAt(ID) } }]);
  });
});
