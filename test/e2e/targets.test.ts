import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askHttp2, askRaw } from '../stack/client.ts';
import { hostAt, ID, OTHER, TARGET_CASES, WITH_TOKEN } from './cases.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { casesOn, expectCase, WIRES } from './wires.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => fleet?.stop());

describe.each(WIRES)('where %s goes', (_, wire) => {
  it.each(casesOn(wire, TARGET_CASES))('%s', (_, one) => expectCase(fleet, wire, one));
});

describe('a host that two parsers could read as two', () => {
  const request = (...lines: string[]) =>
    askRaw(fleet.stack.http, [...lines, 'Connection: close', '', ''].join('\r\n'));

  // Envoy keeps a connection that it has refused open for a second: all at once.
  it.concurrent.each([
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
  ])('is a 400 and reaches nobody: %s', async (_, lines) => {
    expect(await request(...lines)).toMatch(/^HTTP\/1\.1 400 /);
    expect(fleet.takeArrivals()).toEqual([]);
  });

  it('is refused over HTTP/2 too, with a user before it', async () => {
    const { status } = await askHttp2(fleet.stack.http, { host: `${hostAt(OTHER)}@${hostAt(ID)}` });
    // Envoy resets such a stream and gives no answer.
    expect([0, 400]).toContain(status);
    expect(fleet.takeArrivals()).toEqual([]);
  });

  it('is the one of the request target where that is absolute', async () => {
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
