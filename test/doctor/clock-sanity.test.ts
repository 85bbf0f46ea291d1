import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkClock } from '../../src/doctor/clock-sanity.ts';

const dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const at = (wall: number, monotonic = 1000) => ({ now: () => wall, monotonic: () => monotonic });
const check = (wall: number, before = { wall: wall - 500, monotonic: 500 }) =>
  checkClock(at(wall), before, dir);

it('is ok if clocks and files agree, and leaves no file', () => {
  expect(check(Date.now())).toMatchObject({ level: 'ok' });
  expect(readdirSync(dir)).toEqual([]);
});

it('warns of a jump in either direction', () => {
  const now = Date.now();
  for (const by of [-5000, 5000]) {
    expect(check(now, { wall: now - 500 - by, monotonic: 500 }).found).toBe(`it jumped by ${by} ms just now`);
  }
});

it('warns if the file system has another time', () => {
  expect(check(Date.now() + 3_600_000)).toMatchObject({
    level: 'warn',
    found: expect.stringContaining('off'),
  });
});

it('fails for an impossible time', () => {
  expect(check(Date.UTC(1970, 0, 2))).toMatchObject({
    level: 'fail',
    found: 'it is 1970-01-02T00:00:00.000Z',
  });
});
