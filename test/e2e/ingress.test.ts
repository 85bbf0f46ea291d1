import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gate, startGate } from '../../src/app.ts';
import { readSettings } from '../../src/config.ts';
import { parsePut } from '../../src/policy/put.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { digestOf, TOKEN } from '../stack/test-stack.ts';
import {
  DOMAINS,
  hostAt,
  ID,
  internal,
  invalid,
  missing,
  notFound,
  PREFLIGHT,
  type Refused,
  TOKEN_HEADER,
  transitioning,
  WITH_TOKEN,
} from './cases.ts';
import { connectCheck, type HeaderForm } from './check-client.ts';

/** An ingress with its own routes calls Check; the bundled Envoy is not used. */
let gate: Gate;
let ingress: ReturnType<typeof connectCheck>;
const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));

beforeAll(async () => {
  const settings = readSettings(
    'serve',
    { stateDir, ops: '127.0.0.1:0', drain: '0', routing: 'ingress', domains: DOMAINS },
    { baseDir: stateDir, ipv6Loopback: false },
    {},
  );
  const store = await openStore(settings);
  const secured = { tokens: [{ id: 'default', sha256: digestOf(TOKEN) }] };
  const records = [
    { sandboxId: ID, access: secured },
    { sandboxId: 'open', access: { allowPublicTraffic: true } },
    { sandboxId: 'moving', runtime: { state: 'transitioning' }, access: secured },
    { sandboxId: 'agent', runtime: { agent: 'self-authenticating' }, access: secured },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the gate fills it in
    { sandboxId: 'masked', access: { allowPublicTraffic: true, maskRequestHost: 'localhost:${PORT}' } },
    { sandboxId: 'forwarding', access: { ...secured, upstreamToken: 'forward' } },
  ];
  await store.write(records.map((record) => parsePut(record, policyRules(settings))));
  await store.close();
  gate = await startGate(settings, pino({ level: 'silent' }));
  ingress = connectCheck(gate.check);
});

afterAll(async () => {
  ingress?.close();
  await gate?.close(AbortSignal.abort());
  rmSync(stateDir, { recursive: true, force: true });
});

const ROUTING = ['e2b-sandbox-id', 'e2b-sandbox-port'];

describe.each<HeaderForm>(['header_map', 'headers'])('an ingress with routes of its own (%s)', (form) => {
  it.each<
    [string, { host: string; path?: string; method?: string; headers?: Record<string, string> }, Refused]
  >([
    ['no token', { host: hostAt(ID) }, missing(ID)],
    ['an empty token', { host: hostAt(ID), headers: { [TOKEN_HEADER]: '' } }, missing(ID)],
    ['a wrong token', { host: hostAt(ID), headers: { [TOKEN_HEADER]: 'wrong' } }, invalid(ID)],
    ['a comma-joined token', { host: hostAt(ID), headers: { [TOKEN_HEADER]: `${TOKEN},x` } }, invalid(ID)],
    ['no such sandbox', { host: hostAt('nobody') }, notFound('nobody')],
    ['one in transition', { host: hostAt('moving'), headers: WITH_TOKEN }, transitioning('moving')],
    ['a control-plane path', { host: hostAt('open', 49983), path: '/init' }, internal('/init')],
    [
      'a preflight',
      {
        host: hostAt(ID),
        method: 'OPTIONS',
        headers: { origin: 'https://page.example', 'access-control-request-method': 'PUT' },
      },
      PREFLIGHT,
    ],
  ])("gets the contract's answer for %s", async (_, request, { status, body, reason }) => {
    const checked = await ingress.check(request, form);
    expect(checked).toMatchObject({
      allowed: false,
      status,
      body,
      headers: { 'x-sandgate-reason': reason },
    });
  });

  it.each([
    ['a token', { host: hostAt(ID), headers: WITH_TOKEN }],
    ['a public sandbox', { host: hostAt('open') }],
    ['an agent that checks its own', { host: hostAt('agent', 49983) }],
  ])('gets an allow that strips headers and sets no destination: %s', async (_, request) => {
    const checked = await ingress.check(request, form);
    if (!checked.allowed) throw new Error(checked.body);
    expect(checked.sets).toEqual({});
    expect(checked.removes.toSorted()).toEqual([...ROUTING, TOKEN_HEADER]);
    expect(checked.metadata).not.toHaveProperty('destination');
  });

  it('gets the mask', async () => {
    expect(await ingress.check({ host: `${hostAt('masked')}:3002` }, form)).toMatchObject({
      allowed: true,
      sets: { host: 'localhost:8080', 'x-forwarded-host': `${hostAt('masked')}:3002` },
    });
  });

  it('gets an allow that keeps a token to be forwarded', async () => {
    const checked = await ingress.check({ host: hostAt('forwarding'), headers: WITH_TOKEN }, form);
    expect(checked).toMatchObject({ allowed: true, removes: ROUTING });
  });

  it.each(['sandbox.e2b.app', 'localhost:1234', '127.0.0.1:1234', '[::1]:1234'])(
    'gets a decision by Host on %s, whatever the routing headers say',
    async (host) => {
      const headers = { ...WITH_TOKEN, 'e2b-sandbox-id': ID, 'e2b-sandbox-port': '8080' };
      expect(await ingress.check({ host, headers }, form)).toMatchObject({
        allowed: false,
        status: 400,
        body: 'Invalid host\n',
      });
    },
  );
});

it('denies two token headers', async () => {
  expect(
    await ingress.check({ host: hostAt(ID), headers: { [TOKEN_HEADER]: [TOKEN, TOKEN] } }),
  ).toMatchObject({ allowed: false, body: invalid(ID).body });
});

it('gets an allow for a port of our own: only the ingress knows whether it would loop', async () => {
  expect(await ingress.check({ host: hostAt('open', gate.ops.port) })).toMatchObject({ allowed: true });
});
