import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/policy/clock.ts';
import { openSqliteStore } from '../../../src/policy/sqlite/sqlite-store.ts';
import type { PolicyStore } from '../../../src/policy/store.ts';
import { PATIENCE_MS, SEVERAL_PROCESSES_MS } from '../../stack/patience.ts';
import { smallDisk } from '../../stack/small-disk.ts';
import { put } from '../sample.ts';
import { type Child, startChild } from './sqlite-child.ts';

let folder: string;
let path: string;
let children: Child[];
let stores: PolicyStore[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandgate-sqlite-'));
  path = join(folder, 'policies.db');
  children = [];
  stores = [];
});
afterEach(async () => {
  await Promise.all([...children.map((child) => child.end()), ...stores.map((store) => store.close())]);
  await rm(folder, { recursive: true });
});

async function child(wrap: readonly string[] = []): Promise<Child> {
  const started = await startChild(path, wrap);
  children.push(started);
  return started;
}

async function open(): Promise<PolicyStore> {
  const store = await openSqliteStore({ path, routing: 'gate', clock: systemClock, random: randomBytes });
  stores.push(store);
  return store;
}

describe('several processes on one file', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('see the writes of the others', async () => {
    const store = await open();
    const writer = await child();
    const seen: string[] = [];
    store.subscribe((change) => change.kind === 'changed' && seen.push(...change.sandboxIds));
    for (let round = 0; round < 20; round++) {
      await writer.ask(`put sbx${round} life${round}`);
      await vi.waitFor(() => expect(seen).toContain(`sbx${round}`), { timeout: PATIENCE_MS, interval: 1 });
      expect(await store.read(`sbx${round}`)).toMatchObject({ runtime: { incarnation: `life${round}` } });
    }
    expect(seen).toHaveLength(20);
  });

  it('may start at the same time: all open the same new store', async () => {
    const started = await Promise.all([child(), child(), child()]);
    expect(started.map((each) => each.greeting)).toEqual(['ready', 'ready', 'ready']);
    await Promise.all(started.map((each, index) => each.ask(`put sbx${index} a`)));
    expect((await (await open()).list({ limit: 9 })).map((each) => each.sandboxId)).toEqual([
      'sbx0',
      'sbx1',
      'sbx2',
    ]);
  });

  it('D6: lose no update between them, with compare-and-set', async () => {
    const store = await open();
    await store.write([put('sbx1', { runtime: { incarnation: '0' } })]);
    const counters = await Promise.all([child(), child()]);
    const conflicts = await Promise.all(counters.map((each) => each.ask('count sbx1 100')));
    expect(conflicts).toEqual([expect.any(Number), expect.any(Number)]);
    expect(await store.read('sbx1')).toMatchObject({ runtime: { incarnation: '200' } });
  });

  it('E3: lose no acknowledged write to kill -9, and never half of one', async () => {
    for (let round = 0; round < 3; round++) {
      const writer = await child();
      writer.send(`flood r${round}x`);
      const acknowledged: string[] = [];
      while (acknowledged.length < 50) acknowledged.push((await writer.hear()) as string);
      await writer.end('SIGKILL');
      for (let said = await writer.hear(); said !== undefined; said = await writer.hear())
        acknowledged.push(said as string);

      const store = await open();
      for (const id of acknowledged) expect(await store.read(id)).toBeDefined();
      for (const { sandboxId } of await store.list({ after: `r${round}`, limit: 100_000 })) {
        const id = String(sandboxId);
        expect(await store.read(id.endsWith('twin') ? id.slice(0, -4) : `${id}twin`)).toBeDefined();
      }
    }
  });

  it('wait only for a bounded time for one that is frozen while it writes', async () => {
    const store = await open();
    const writer = await child();
    writer.send('flood x');
    await writer.hear();
    writer.signal('SIGSTOP');
    // Chance decides whether it holds the lock. The write succeeds or fails accordingly, and reads go on.
    const written = await store.write([put('sbx1')]).then(
      () => 'written',
      (error) => error.code,
    );
    expect(['written', 'STORE_UNAVAILABLE']).toContain(written);
    expect(await store.read('x0')).toBeDefined();
    await writer.end('SIGKILL');
    expect((await store.write([put('sbx2')])).records).toHaveLength(1);
  });
});

describe('a path that cannot be used', () => {
  it('is STATE_UNUSABLE with a remedy: a folder without write permission', async () => {
    await chmod(folder, 0o555);
    // Permissions apply even to root once it has dropped the capability to bypass them.
    const bound = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'];
    const { greeting } = await child(process.getuid?.() === 0 ? bound : []);
    await chmod(folder, 0o700);
    expect(greeting).toMatchObject({ code: 'STATE_UNUSABLE', remedy: expect.any(String) });
  });

  it('is STORE_UNAVAILABLE while the disk is full, and keeps its content', async () => {
    const writer = await child(smallDisk(folder).wrap);
    expect(writer.greeting).toBe('ready');
    let last: unknown;
    let written = 0;
    for (; written < 2000; written++) {
      last = await writer.ask(`put sbx${written} ${'x'.repeat(60)}`);
      if ((last as { code?: string }).code !== undefined) break;
    }
    expect(last).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('disk') });
    expect(written).toBeGreaterThan(10);
    // The process still reads; only writes, which need space, fail.
    expect(await writer.ask('put sbx0 again')).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await writer.ask('holds sbx0')).toBe(true);
    expect(await writer.ask(`holds sbx${written}`)).toBe(false);
  });
});
