import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkStore } from '../../src/doctor/store-health.ts';
import { systemClock } from '../../src/policy/clock.ts';
import { openFilesStore } from '../../src/policy/files/files-store.ts';
import { openSqliteStore } from '../../src/policy/sqlite/sqlite-store.ts';
import { put, rules } from '../policy/sample.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const path = () => join(dir, 'policies.db');
const open = (create: boolean) =>
  openSqliteStore({ path: path(), routing: 'gate', clock: systemClock, random: randomBytes, create });
const check = () => checkStore(() => open(false), rules);

it('is ok if there is none yet', async () => {
  expect(await checkStore(async () => undefined, rules)).toMatchObject([{ level: 'ok' }]);
});

it('counts policies over all pages, and names unreadable ones', async () => {
  const store = await open(true);
  await store.write(Array.from({ length: 501 }, (_, n) => put(`sbx${n}`)));
  expect(await check()).toMatchObject([{ level: 'ok', found: 'embedded, 501 policies' }]);
  await store.write([
    { ...put('odd'), runtime: { route: { address: '10.0.3.7' }, state: 'unheard-of' as 'running' } },
  ]);
  await store.close();
  expect(await check()).toMatchObject([
    { level: 'warn', found: 'embedded, 502 policies, 1 of which cannot be read: odd' },
  ]);
});

it('fails for a file that is not a store, and leaves it as it is', async () => {
  const garbage = 'this is no database, '.repeat(500);
  writeFileSync(path(), garbage);
  chmodSync(path(), 0o644);
  expect(await check()).toMatchObject([{ level: 'fail', found: expect.stringContaining('STORE_CORRUPT') }]);
  expect(readFileSync(path(), 'utf8')).toBe(garbage);
  expect(statSync(path()).mode & 0o777).toBe(0o644);
});

it('fails for an empty file, and does not turn it into a store', async () => {
  writeFileSync(path(), '');
  expect(await check()).toMatchObject([{ level: 'fail' }]);
  expect(statSync(path()).size).toBe(0);
});

it('names every bad file of a folder, and counts the policies of the others', async () => {
  for (const name of ['a.yaml', 'b.json', 'c.yaml']) writeFileSync(join(dir, name), 'x: [');
  writeFileSync(join(dir, 'good.yaml'), 'sandboxId: good\nruntime: { route: { address: 10.0.3.7 } }\n');
  const openFiles = () => openFilesStore({ folder: dir, rules, clock: systemClock, random: randomBytes });
  const findings = await checkStore(openFiles, rules);
  expect(findings[0]).toMatchObject({ check: 'store', level: 'ok', found: 'files, 1 policy' });
  expect(findings.slice(1).map(({ level, found }) => `${level} ${found.split(':')[0]}`)).toEqual([
    'warn a.yaml',
    'warn b.json',
    'warn c.yaml',
  ]);
});

it('names the policies that say public where that is refused', async () => {
  const store = await open(true);
  await store.write([put('open', { access: { allowPublicTraffic: true } }), put('closed')]);
  await store.close();
  const findings = await checkStore(() => open(false), { ...rules, publicTraffic: 'refuse' });
  expect(findings).toMatchObject([
    { level: 'ok' },
    {
      check: 'public traffic',
      level: 'warn',
      found: '1 policy says public and requires a token all the same: open',
    },
  ]);
});
