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

it('ignores live processes', () => {
  expect(checkLeftovers([])).toMatchObject({ level: 'ok' });
  expect(checkLeftovers([dev({})])).toMatchObject({ level: 'ok', found: 'none' });
});

it('names the run file of a dead process, even if its pid was reused', () => {
  const finding = checkLeftovers([dev({ started: '1' })]);
  expect(finding).toMatchObject({ level: 'warn' });
  expect(finding.found).toContain(`run/${process.pid}.json`);
});

it('names the processes that a killed stack left running', () => {
  const finding = checkLeftovers([dev({ started: '1', children: [self, { pid: 1, started: 'never' }] })]);
  expect(finding.found).toBe(`a stack that was killed left processes running: ${process.pid}`);
});
