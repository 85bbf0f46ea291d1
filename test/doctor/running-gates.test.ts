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

it('is no fault where none runs', async () => {
  expect(await checkGates([], () => Promise.reject())).toMatchObject([{ level: 'ok' }]);
});

it('tells what a gate says of itself, and that one says nothing', async () => {
  const ready = { ready: true, parts: { check: { ok: true } } };
  expect(await checkGates([GATE], async () => ready)).toMatchObject([{ check: 'gate 7', level: 'ok' }]);
  const parts = { check: { ok: true }, store: { ok: false, reason: 'is locked' } };
  expect(await checkGates([GATE], async () => ({ ready: false, parts }))).toMatchObject([
    { level: 'fail', found: 'not ready: store (is locked)' },
  ]);
  expect(await checkGates([GATE], () => Promise.reject(new Error('refused')))).toMatchObject([
    { level: 'fail', remedy: 'stop it (kill 7) and start it again' },
  ]);
});
