import { randomBytes } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  open as openFile,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteFile } from '../../../src/policy/sqlite/sqlite-file.ts';
import { openSqliteStore, type SqliteStoreOptions } from '../../../src/policy/sqlite/sqlite-store.ts';
import type { Change, PolicyStore } from '../../../src/policy/store.ts';
import { PATIENCE_MS } from '../../stack/patience.ts';
import { FakeClock, put, stored } from '../sample.ts';

let folder: string;
let path: string;
let stores: PolicyStore[];
let clock: FakeClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandgate-sqlite-'));
  path = join(folder, 'policies.db');
  stores = [];
  clock = new FakeClock();
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await rm(folder, { recursive: true });
});

async function open(more: Partial<SqliteStoreOptions> = {}): Promise<PolicyStore> {
  const store = await openSqliteStore({
    path,
    routing: 'gate',
    clock,
    random: randomBytes,
    pollMs: 5,
    ...more,
  });
  stores.push(store);
  return store;
}

const code = (expected: string) => expect.objectContaining({ code: expected });
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: PATIENCE_MS, interval: 5 });

function listen(store: PolicyStore): Change[] {
  const changes: Change[] = [];
  store.subscribe((change) => changes.push(change));
  return changes;
}

/** Edits the file without any store. */
function byHand<T>(work: (db: Database.Database) => T, file = path): T {
  const db = new Database(file, { timeout: 1000 });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** A complete copy of the store, like a backup. */
async function backup(): Promise<string> {
  const copy = join(folder, `backup-${randomBytes(4).toString('hex')}.db`);
  byHand((db) => db.exec(`VACUUM INTO '${copy}'`));
  return copy;
}

describe('the file', () => {
  it('is accessible only to its user, and so are its log and its folder', async () => {
    path = join(folder, 'state', 'deep', 'policies.db');
    await (await open()).write([put()]);
    const mode = async (of: string) => ((await stat(of)).mode & 0o777).toString(8);
    expect(await mode(path)).toBe('600');
    expect(await mode(`${path}-wal`)).toBe('600');
    expect(await mode(`${path}-shm`)).toBe('600');
    expect(await mode(join(folder, 'state', 'deep'))).toBe('700');
  });

  it('gets its mode back if it was opened to others', async () => {
    await (await open()).close();
    await chmod(path, 0o644);
    await open();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('keeps its content and its epoch across a restart', async () => {
    const first = await open();
    await first.write([put()]);
    const [record, position] = [await first.read('sbx1'), first.position()];
    await first.close();
    const second = await open();
    expect(await second.read('sbx1')).toEqual(record);
    expect(second.position()).toEqual(position);
  });

  it('has a log of bounded size', async () => {
    const store = await open();
    const puts = Array.from({ length: 200 }, (_, index) => put(`sbx${index}`));
    for (let round = 0; round < 100; round++) await store.write(puts);
    expect((await stat(`${path}-wal`)).size).toBeLessThan(16 * 1024 * 1024);
  });
});

describe('a file that is not ours, or damaged,', () => {
  const refused = async (expected: string) => {
    const before = await readFile(path);
    const error = await open().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: expected, field: path, remedy: expect.any(String) });
    expect(await readFile(path)).toEqual(before);
  };

  it('is not changed: text', async () => {
    await writeFile(path, 'these are not policies\n'.repeat(1000));
    await refused('STORE_CORRUPT');
  });

  it('is not changed: a few bytes', async () => {
    await writeFile(path, 'some bytes');
    await refused('STORE_CORRUPT');
  });

  it('is not changed: a damaged header', async () => {
    await (await open()).close();
    path = await backup();
    const file = await openFile(path, 'r+');
    await file.write(Buffer.alloc(100, 0xff), 0, 100, 0);
    await file.close();
    await refused('STORE_CORRUPT');
  });

  it('is not changed: the database of another program', async () => {
    byHand((db) => db.exec('CREATE TABLE cookies (id TEXT)'));
    await refused('STORE_CORRUPT');
  });

  it('is not changed: one of a later version', async () => {
    await (await open()).close();
    byHand((db) => db.exec('UPDATE meta SET schema_version = 2; PRAGMA wal_checkpoint(TRUNCATE)'));
    await refused('STATE_UNUSABLE');
  });

  it('is STORE_CORRUPT if only a read finds the damage', async () => {
    const store = await open();
    await store.write(Array.from({ length: 500 }, (_, index) => put(`sbx${index}`)));
    await store.close();
    const copy = await backup();
    const { size } = await stat(copy);
    const file = await openFile(copy, 'r+');
    await file.write(Buffer.alloc(size - 4096 * 5, 0xaa), 0, size - 4096 * 5, 4096 * 5);
    await file.close();
    const damaged = await open({ path: copy });
    await expect(damaged.list({ limit: 1000 })).rejects.toThrow(code('STORE_CORRUPT'));
  });
});

describe('a path that cannot be a store', () => {
  it('is STATE_UNUSABLE: a file where the folder should be', async () => {
    await writeFile(join(folder, 'plain'), '');
    path = join(folder, 'plain', 'policies.db');
    await expect(open()).rejects.toThrow(code('STATE_UNUSABLE'));
  });

  it('is STATE_UNUSABLE: a folder where the file should be', async () => {
    await mkdir(path);
    await expect(open()).rejects.toThrow(code('STATE_UNUSABLE'));
  });
});

describe('a record in the file', () => {
  it.each(['{"sandboxId":', 'null', '[]', '"x"', '7', ''])(
    'as %j is unreadable, and hides no other',
    async (text) => {
      const store = await open();
      await store.write([put('a'), put('b')]);
      byHand((db) => db.prepare('UPDATE policies SET record = ? WHERE id = ?').run(text, 'a'));
      const whole = await store.read('b');
      if (text !== '[]') await expect(store.read('a')).rejects.toThrow(code('POLICY_UNREADABLE'));
      await expect(store.write([put('a')])).rejects.toThrow(code('POLICY_UNREADABLE'));
      expect((await store.list({ limit: 9 }))[1]).toEqual(whole);
      await store.delete('a');
      await store.write([put('a')]);
    },
  );

  it('is returned as stored, including fields of later versions', async () => {
    const store = await open();
    const record = { ...stored('a'), quota: 1 };
    byHand((db) => db.prepare('INSERT INTO policies VALUES (?, ?)').run('a', JSON.stringify(record)));
    expect(await store.read('a')).toEqual(record);
  });
});

describe('a change made by another program is announced', () => {
  it('as reset, if it did not increase the sequence', async () => {
    const store = await open();
    await store.write([put()]);
    const changes = listen(store);
    byHand((db) => db.exec("DELETE FROM policies WHERE id = 'sbx1'"));
    await eventually(() => expect(changes).toEqual([{ kind: 'reset', position: store.position() }]));
  });

  it('as reset, if the sequence went back or the epoch changed', async () => {
    const store = await open();
    await store.write([put('a'), put('b')]);
    const changes = listen(store);
    byHand((db) => db.exec('UPDATE meta SET sequence = 1'));
    await eventually(() =>
      expect(changes.at(-1)).toMatchObject({ kind: 'reset', position: { sequence: 1 } }),
    );
    byHand((db) => db.exec("UPDATE meta SET sequence = 9, epoch = 'ffffffffffffffff'"));
    const position = { epoch: 'ffffffffffffffff', sequence: 9 };
    await eventually(() => expect(changes.at(-1)).toEqual({ kind: 'reset', position }));
  });

  it('as reset, if there were more changes than are kept', async () => {
    const store = await open();
    const changes = listen(store);
    byHand((db) => db.exec("INSERT INTO changes VALUES (20000, 'x'); UPDATE meta SET sequence = 20000"));
    await eventually(() =>
      expect(changes).toMatchObject([{ kind: 'reset', position: { sequence: 20_000 } }]),
    );
  });

  it('in order and once, if two stores write alternately', async () => {
    const [one, two] = [await open(), await open()];
    const [changesOne, changesTwo] = [listen(one), listen(two)];
    const expected: string[] = [];
    for (let round = 0; round < 50; round++) {
      await one.write([put(`a${round}`)]);
      await two.write([put(`b${round}`), put(`c${round}`)]);
      expected.push(`a${round}`, `b${round}`, `c${round}`);
    }
    for (const changes of [changesOne, changesTwo]) {
      const announced = () =>
        changes.flatMap((change) => (change.kind === 'changed' ? change.sandboxIds : ['reset']));
      await eventually(() => expect(announced()).toEqual(expected));
    }
  });

  it('keeps a bounded number of changes', async () => {
    const file = new SqliteFile(path, randomBytes, true);
    file.transaction(() => {
      for (let index = 0; index < 10_050; index++) file.advance(`sbx${index}`);
    });
    expect(file.changesSince(10_047, 10_050)).toEqual(['sbx10047', 'sbx10048', 'sbx10049']);
    expect(file.changesSince(50, 10_050)).toHaveLength(10_000);
    expect(file.changesSince(49, 10_050)).toBeUndefined();
    file.close();
  });
});

describe('D8: a file that is replaced under a running store', () => {
  it('is opened instead, and announced as reset', async () => {
    const store = await open();
    await store.write([put('old')]);
    const copy = await backup();
    await store.write([put('new')]);
    const changes = listen(store);
    await rm(`${path}-wal`);
    await rm(`${path}-shm`);
    await rename(copy, path);
    await eventually(() => expect(store.fault()).toBeUndefined());
    await eventually(() =>
      expect(changes.at(-1)).toMatchObject({ kind: 'reset', position: { sequence: 1 } }),
    );
    expect(await store.read('new')).toBeUndefined();
    expect(await store.read('old')).toBeDefined();
    expect((await store.write([put('next')])).sequence).toBe(2);
  });

  it('is not read while the log of the old file exists', async () => {
    const store = await open();
    await store.write([put('old')]);
    const copy = await backup();
    const before = await readFile(copy);
    const changes = listen(store);
    await rename(copy, path);
    await eventually(() => expect(store.fault()).toContain('-wal'));
    expect(changes).toMatchObject([{ kind: 'reset' }]);
    await expect(store.read('old')).rejects.toThrow(code('STORE_UNAVAILABLE'));
    await expect(store.write([put()])).rejects.toThrow(code('STORE_UNAVAILABLE'));
    expect(await readFile(path)).toEqual(before);
    await rm(`${path}-wal`);
    await eventually(() => expect(store.fault()).toBeUndefined());
    expect(await store.read('old')).toBeDefined();
  });

  it('is unavailable while it is gone or not a store, is not created again, and recovers on its own', async () => {
    const store = await open();
    await store.write([put()]);
    const copy = await backup();
    await Promise.all([rm(path), rm(`${path}-wal`), rm(`${path}-shm`)]);
    await eventually(() => expect(store.fault()).toContain('removed'));
    await expect(store.read('sbx1')).rejects.toThrow(code('STORE_UNAVAILABLE'));
    await expect(store.write([put()])).rejects.toThrow(code('STORE_UNAVAILABLE'));
    await expect(stat(path)).rejects.toThrow('ENOENT');

    await writeFile(path, 'garbage');
    await eventually(() => expect(store.fault()).toContain('STORE_CORRUPT'));
    await expect(store.read('sbx1')).rejects.toThrow(code('STORE_UNAVAILABLE'));

    await copyFile(copy, `${path}.next`);
    await rename(`${path}.next`, path);
    clock.advance(1000);
    await eventually(() => expect(store.fault()).toBeUndefined());
    expect(await store.read('sbx1')).toBeDefined();
  });
});

it('a lock that is never released is STORE_UNAVAILABLE after a while, and does not block this process', async () => {
  const store = await open();
  const holder = new Database(path);
  holder.exec('BEGIN IMMEDIATE');
  let given = false;
  const write = store.write([put()]).finally(() => {
    given = true;
  });
  const refused = expect(write).rejects.toThrow(code('STORE_UNAVAILABLE'));
  // Other work runs between its 20 attempts.
  for (let turns = 0; turns < 10; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBe(false);
  }
  await refused;
  expect(await store.read('sbx1')).toBeUndefined();
  holder.exec('ROLLBACK');
  holder.close();
  expect((await store.write([put()])).sequence).toBe(1);
});

describe('the moment up to which every change was delivered', () => {
  it('advances with each poll of the file, and stops while there is none', async () => {
    const store = await open();
    expect(store.deliveredUntil()).toBeUndefined();
    await eventually(() =>
      expect(store.deliveredUntil()).toEqual({ wall: clock.now(), monotonic: clock.monotonic() }),
    );
    clock.advance(1000);
    await eventually(() => expect(store.deliveredUntil()?.monotonic).toBe(clock.monotonic()));
    await rename(path, `${path}.away`);
    await eventually(() => expect(store.fault()).toContain('was removed'));
    const last = store.deliveredUntil();
    clock.advance(1000);
    // This fault shows that it has polled since.
    await writeFile(path, 'garbage');
    await eventually(() => expect(store.fault()).toMatch(/^(?!.*was removed)./));
    expect(store.deliveredUntil()).toEqual(last);
  });
});
