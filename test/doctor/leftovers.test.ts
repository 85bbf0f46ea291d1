import { expect, it } from 'vitest';
import { checkLeftovers } from '../../src/doctor/state-folder.ts';
import { identify } from '../../src/state/process-identity.ts';
import type { DevRun } from '../../src/state/run-file.ts';

const self = identify(process.pid)!;
const dev = (over: Partial<DevRun>): DevRun => ({
  kind: 'dev',
  ...self,
  children: [],
  http: [],
  https: [],
  ...over,
});

it('finds none beside what lives', () => {
  expect(checkLeftovers([])).toMatchObject({ level: 'ok' });
  expect(checkLeftovers([dev({})])).toMatchObject({ level: 'ok', found: 'none' });
});

it('names the run file of a process that is gone, also where its number was given anew', () => {
  const finding = checkLeftovers([dev({ started: '1' })]);
  expect(finding).toMatchObject({ level: 'warn' });
  expect(finding.found).toContain(`run/${process.pid}.json`);
});

it('names the processes that a killed stack left running', () => {
  const finding = checkLeftovers([dev({ started: '1', children: [self, { pid: 1, started: 'never' }] })]);
  expect(finding.found).toBe(`a stack that was killed left processes running: ${process.pid}`);
});
