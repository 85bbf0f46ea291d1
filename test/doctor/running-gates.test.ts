import { expect, it } from 'vitest';
import { checkGates } from '../../src/doctor/store-health.ts';
import type { GateRun } from '../../src/state/run-file.ts';

const GATE: GateRun = {
  kind: 'gate',
  pid: 7,
  started: '1',
  check: 'unix:/run/gate.sock',
  ops: { host: '127.0.0.1', port: 9464 },
  domains: [],
  routing: 'gate',
  sandboxCidrs: [],
  ownListeners: [],
  store: 'embedded',
  policyDir: '/policies',
};

it('is ok if none is running', async () => {
  expect(await checkGates([], () => Promise.reject())).toMatchObject([{ level: 'ok' }]);
});

it('reports the readiness of a gate, and a gate that does not answer', async () => {
  const ready = { ready: true, degraded: false, parts: { check: { ok: true } } };
  expect(await checkGates([GATE], async () => ready)).toMatchObject([{ check: 'gate 7', level: 'ok' }]);
  const parts = { check: { ok: true }, store: { ok: false, reason: 'is locked' } };
  expect(await checkGates([GATE], async () => ({ ready: false, degraded: false, parts }))).toMatchObject([
    { level: 'fail', found: 'not ready: store (is locked)' },
  ]);
  expect(await checkGates([GATE], () => Promise.reject(new Error('refused')))).toMatchObject([
    { level: 'fail', remedy: 'stop it (kill 7) and start it again' },
  ]);
});

it('warns about a gate that is ready but degraded, with the reason', async () => {
  const parts = {
    check: { ok: true },
    store: { ok: true, degraded: true, reason: '2 files cannot be used' },
  };
  expect(await checkGates([GATE], async () => ({ ready: true, degraded: true, parts }))).toMatchObject([
    { level: 'warn', found: expect.stringContaining('degraded: 2 files cannot be used') },
  ]);
});
