import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatAddress } from '../../../src/address.ts';
import { liveGates } from '../../../src/state/run-file.ts';
import { ask, askHttp2 } from '../../stack/client.ts';
import { startGateProcess } from '../../stack/gate-process.ts';
import { listeningSockets } from '../../stack/listening-sockets.ts';
import { hostOf, publicSandbox, startTestStack, type TestStack } from '../../stack/test-stack.ts';
import { destinations, stat } from '../envoy-admin.ts';
import { editStored } from '../stored-record.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await stack.put(publicSandbox('mirror'), publicSandbox('proxied'));
});
afterAll(() => stack?.stop());

/** Number of decisions of the gate. */
const checks = async () =>
  (await stat(stack, 'http.ingress.ext_authz.sandbox.ok')) +
  (await stat(stack, 'http.ingress.ext_authz.sandbox.denied'));

describe('C7: one of Sandgate’s own listeners', () => {
  const own = [
    { what: 'the plain ingress', port: () => stack.http.port },
    { what: 'the TLS ingress', port: () => stack.https.port },
    { what: 'the gate’s own /readyz', port: () => stack.gate.ops.port },
  ];

  it.each(own)('$what, as the port of the request, is decided once and never dialled', async ({ port }) => {
    for (const send of [ask, askHttp2]) {
      const before = await checks();
      const { status, headers } = await send(stack.http, { host: hostOf(port(), 'mirror') });
      expect(status).toBe(502);
      expect(headers['x-sandgate-reason']).toBe('port_closed');
      expect(await checks()).toBe(before + 1);
    }
    expect(await destinations(stack)).toEqual([]);
  });

  it.each(own)('$what, as the port of a node-proxy route, is never dialled', async ({ what, port }) => {
    const route = { address: '127.0.0.1', port: port() };
    // The rules for writes know the ingress; only a running gate knows the address of its own listener.
    if (!what.includes('readyz')) {
      const error = await stack
        .put(publicSandbox('proxied', { runtime: { route } }))
        .catch((thrown) => thrown);
      expect(error).toMatchObject({ code: 'POLICY_INVALID', field: 'runtime.route.port' });
    }
    editStored(stack, 'proxied', (record) => ({ ...record, runtime: { ...record.runtime, route } }));
    const before = await checks();
    const answers = await Promise.all(
      [80, 81].map((asked) => ask(stack.http, { host: hostOf(asked, 'proxied') })),
    );
    for (const { status } of answers) expect([502, 503]).toContain(status);
    expect(await checks()).toBe(before + 2);
    expect(await destinations(stack)).toEqual([]);
  });

  it('is recognized with the headers that a loop would carry, too', async () => {
    const before = await checks();
    const headers = {
      'e2b-sandbox-id': 'mirror',
      'e2b-sandbox-port': `${stack.http.port}`,
      'x-forwarded-host': 'localhost',
      'x-envoy-original-dst-host': `127.0.0.1:${stack.http.port}`,
    };
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'sandbox.e2b.localhost']) {
      expect((await ask(stack.http, { host, headers })).status).toBe(502);
    }
    expect(await checks()).toBe(before + 4);
    expect(await destinations(stack)).toEqual([]);
  });
});

describe('C7: what a gate itself binds', () => {
  it.each([
    ['one gate', 3, { listen: '127.0.0.1:0' }],
    ['two processes under a supervisor', 4, { processes: '2' }],
  ])('is one of its own listeners without being listed: %s', async (_what, count, over) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
    const keys = join(stateDir, 'keys');
    writeFileSync(keys, 'p'.repeat(40));
    const flags = { 'policy-api': '127.0.0.1:0', 'policy-api-keys-file': keys, ...over };
    const socket = join(stateDir, 'check', 'gate.sock');
    const gate = await startGateProcess({ stateDir, socket, ownListeners: '', flags });
    try {
      const bound = listeningSockets(gate.pid).map(formatAddress);
      // Check or a second and third ops listener, the ops listener, the policy API.
      expect(bound).toHaveLength(count);
      const gates = liveGates(stateDir);
      expect(gates).toHaveLength('processes' in over ? 2 : 1);
      for (const { ownListeners } of gates) {
        expect(ownListeners.map(formatAddress)).toEqual(expect.arrayContaining(bound));
      }
    } finally {
      gate.signal('SIGTERM');
      await gate.exited;
      rmSync(stateDir, { recursive: true });
    }
  });
});
