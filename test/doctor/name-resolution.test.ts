import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkNames } from '../../src/doctor/ports-and-names.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('resolves each domain and a sandbox host under it', async () => {
  const findings = await checkNames(['a.example', '*.b.example', '*'], async () => ['10.0.0.1', '::1']);
  expect(findings.map(({ check, level, found }) => [check, level, found])).toEqual(
    ['a.example', '8080-x.a.example', 'b.example', '8080-x.b.example'].map((name) => [
      `name ${name}`,
      'ok',
      '10.0.0.1, ::1',
    ]),
  );
});

it('warns with a remedy if a name is not found', async () => {
  const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
  const [local] = await checkNames(['e2b.localhost'], resolve);
  const cloud = { domain: 'e2b.localhost', remedy: 'eval it' };
  const helped = await checkNames(['e2b.localhost', 'not-e2b.localhost'], resolve, cloud);
  expect(helped.map(({ remedy }) => remedy?.includes('eval it'))).toEqual([true, true, false, false]);
  const [other] = await checkNames(['e2b.app'], resolve);
  expect(local).toMatchObject({ level: 'warn', remedy: expect.stringContaining('/etc/hosts') });
  expect(other).toMatchObject({ level: 'warn', remedy: expect.stringContaining('wildcard DNS') });
});

it('gives up on a resolver that does not answer', async () => {
  const findings = checkNames(['a.example'], () => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(3000);
  expect((await findings)[0]!.found).toContain('no answer in 3 s');
});
