import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/config.ts';
import { openStore } from '../../../src/policy-access.ts';
import { SEVERAL_PROCESSES_MS } from '../../stack/patience.ts';
import { digestOf, restricted, TOKEN } from '../../stack/test-stack.ts';
import { makeStateFolder, type StateFolder } from '../state-folder.ts';

const numbered = (n: number) => `s${String(n).padStart(5, '0')}`;
const many = (count: number) => Array.from({ length: count }, (_, n) => restricted(numbered(n)));
const jsonLines = (records: readonly object[]) =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

/** Adds a correct trailer. */
function whole(records: readonly object[]): string {
  const text = jsonLines(records);
  const sha256 = createHash('sha256').update(text).digest('hex');
  return text + jsonLines([{ sandgateExport: 1, count: records.length, sha256 }]);
}

async function idsIn(stateDir: string): Promise<string[]> {
  const store = await openStore(
    readSettings('policy', { stateDir }, { baseDir: '/', ipv6Loopback: false }, {}),
  );
  const ids: string[] = [];
  for (;;) {
    const page = await store.list({ after: ids.at(-1) ?? '', limit: 500 });
    ids.push(...page.map(({ sandboxId }) => String(sandboxId)));
    if (page.length === 0) break;
  }
  await store.close();
  return ids;
}

describe.each([
  ['through a gate', 1],
  ['directly on the store', 0],
])('policy export and import, %s', { timeout: SEVERAL_PROCESSES_MS }, (_connection, gates) => {
  let from: StateFolder;
  let to: StateFolder;
  const file = () => join(from.path, 'all.jsonl');
  beforeAll(async () => {
    from = makeStateFolder();
    to = makeStateFolder();
    await Promise.all((gates > 0 ? [from, to] : []).map((state) => state.startGate()));
  });
  afterAll(async () => {
    await from?.remove();
    await to?.remove();
  });

  it('carry every policy to another store, including revoked digests and incarnations', async () => {
    const records = many(620);
    Object.assign(records[7]!, {
      runtime: { ...records[7]!.runtime, incarnation: 'life-7', state: 'paused' },
    });
    records[8]!.access = { tokens: [], revoked: [digestOf(TOKEN)] } as never;
    const given = await from.run(['policy', 'import', '-', '--no-verify'], { input: jsonLines(records) });
    expect(given).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^imported 620, 0 unchanged, 0 skipped: /),
    });

    const exported = await from.run(['policy', 'export', file()]);
    expect(exported).toMatchObject({ code: 0, stdout: `exported 620 policies to ${file()}\n` });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await from.ask(['policy', 'export'])).stdout).toBe(readFileSync(file(), 'utf8'));

    expect(await to.json(['policy', 'import', file()])).toMatchObject({
      written: 620,
      unchanged: 0,
      skipped: 0,
      via: { kind: gates > 0 ? 'gate' : 'store' },
    });
    const read = async (state: StateFolder, id: string) => {
      const { runtime, access } = JSON.parse((await state.ask(['policy', 'get', id])).stdout);
      return { ...runtime, ...access, version: '' };
    };
    for (const id of [numbered(7), numbered(8)]) expect(await read(to, id)).toEqual(await read(from, id));
    expect(await idsIn(to.path)).toEqual(await idsIn(from.path));
    expect((await to.ask(['policy', 'import', file()])).stdout).toBe(
      'imported 0, 620 unchanged, 0 skipped\n',
    );
  });

  it('report with --dry-run what they would write, and write nothing', async () => {
    const input = whole([restricted('dry1'), restricted(numbered(1))]);
    const dry = await to.ask(['policy', 'import', '-', '--dry-run'], input);
    expect(dry).toMatchObject({
      code: 0,
      stdout: 'would write 1, 1 unchanged, 0 skipped; nothing was written\n',
    });
    expect(await idsIn(to.path)).not.toContain('dry1');
  });

  it('skip, with --on-error skip, the lines that cannot be written, and name them', async () => {
    const revoked = restricted(numbered(8));
    const input = whole([restricted('skip1'), { sandboxId: 'NO' }, revoked, restricted('skip2')]);
    const skipped = await to.ask(['policy', 'import', '-', '--on-error', 'skip'], input);
    expect(skipped).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^imported 2, 0 unchanged, 2 skipped/),
    });
    expect(skipped.stderr).toContain('skipped line 2: sandboxId must be');
    expect(skipped.stderr).toMatch(/skipped line 3: .* was revoked/);
    expect(await idsIn(to.path)).toEqual(expect.arrayContaining(['skip1', 'skip2']));
  });
});

describe('policy import', { timeout: SEVERAL_PROCESSES_MS }, () => {
  let state: StateFolder;
  beforeEach(() => {
    state = makeStateFolder();
  });
  afterEach(() => state.remove());

  const good = whole(many(3));
  const [first, second, third, trailer] = good.split(/(?<=\n)/) as [string, string, string, string];
  it.each([
    ['cut at a line', first + second, 'not the trailer'],
    ['cut inside a line', good.slice(0, good.length - 10), 'not the trailer'],
    ['empty', '', 'not the trailer'],
    ['short of a line', first + third + trailer, 'contains 2 records, but its trailer says 3'],
    ['changed in one byte', good.replace('s00001', 's00009'), 'SHA-256'],
    ['in another order', second + first + third + trailer, 'SHA-256'],
    ['followed by more', good + first, 'line 5 comes after the trailer'],
    ['two exports in one', good + good, 'after the trailer'],
    ['of a later form', good.replace('"sandgateExport":1', '"sandgateExport":2'), 'does not know'],
  ])('refuses an export that is %s, and writes nothing', async (_how, input, message) => {
    const refused = await state.ask(['policy', 'import', '-'], input);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(message);
    expect(refused.stderr).toContain('INPUT_INVALID');
    expect(await idsIn(state.path)).toEqual([]);
  });

  it.each([
    ['no JSON', 'oops', 'line 2: it is not JSON'],
    [
      'a key twice',
      '{"sandboxId":"x","sandboxId":"y"}',
      'line 2: it is not JSON: duplicate key at column 18',
    ],
    [
      'a key twice after spaces',
      '  {"sandboxId":"x","sandboxId":"y"}',
      'line 2: it is not JSON: duplicate key at column 20',
    ],
    ['endless nesting', '['.repeat(100_000), 'line 2: it is not JSON: more than 32 levels'],
    ['no object', '[]', 'line 2: record must be an object'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1'), 'line 2: '],
    ['a bad field', JSON.stringify({ ...restricted('x'), nope: 1 }), 'line 2: nope is not a field'],
    [
      'a route elsewhere',
      JSON.stringify(restricted('x', { runtime: { route: { address: '10.0.0.1' } } })),
      'line 2: runtime.route.address',
    ],
    ['an id twice', first.trim(), 'line 2: sandboxId repeats'],
    [
      'a mask that cannot be',
      JSON.stringify(restricted('x', { access: { maskRequestHost: '??' } })),
      'line 2: access.maskRequestHost',
    ],
  ])('names the line that contains %s, and writes nothing', async (_what, line, message) => {
    const input = `${first}${line}\n${third}`;
    const refused = await state.ask(['policy', 'import', '-', '--no-verify'], input);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('1 of 3 lines are bad, nothing was written');
    expect(refused.stderr).toContain(message);
    expect(refused.stderr).not.toContain('    at ');
    expect(await idsIn(state.path)).toEqual([]);
  });

  it('refuses an endless line, and a missing file', async () => {
    const endless = await state.ask(['policy', 'import', '-'], first + 'x'.repeat(1100 * 1024));
    expect(endless).toMatchObject({ code: 1, stderr: expect.stringContaining('line 2 is longer') });
    const missing = await state.ask(['policy', 'import', join(state.path, 'nowhere')]);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') });
    expect((await state.ask(['policy', 'import', state.path])).code).toBe(1);
    expect((await state.ask(['policy', 'import', '-', '--on-error', 'maybe'])).code).toBe(2);
  });

  it('leaves complete batches when it is killed, and completes when it runs again', async () => {
    const file = join(state.path, 'many.jsonl');
    const count = 8000;
    writeFileSync(file, whole(many(count)));
    const store = await openStore(
      readSettings('policy', { stateDir: state.path }, { baseDir: '/', ipv6Loopback: false }, {}),
    );
    const killed = await state.run(['policy', 'import', file], {
      onStart: (child) => store.subscribe(() => child.kill('SIGKILL')),
    });
    await store.close();
    expect(killed.signal).toBe('SIGKILL');
    const written = (await idsIn(state.path)).length;
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(count);
    expect(written % 500).toBe(0);
    expect((await state.ask(['policy', 'import', file])).stdout).toContain(
      `imported ${count - written}, ${written} unchanged, 0 skipped`,
    );
  });
});

describe('policy export', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('replaces a file completely or not at all, and leaves no temporary file', async () => {
    const state = makeStateFolder();
    try {
      const file = join(state.path, 'old.jsonl');
      writeFileSync(file, 'old');
      await state.ask(['policy', 'put', '-'], JSON.stringify(restricted('one')));
      const refused = await state.ask(['policy', 'export', join(state.path, 'no', 'folder.jsonl')]);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('STATE_UNUSABLE') });
      expect(await state.json(['policy', 'export', file])).toMatchObject({
        count: 1,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(readFileSync(file, 'utf8')).toContain('"sandgateExport":1');
      expect(readdirSync(state.path).filter((name) => name.includes('.new'))).toEqual([]);
      // A device must be written to, not replaced by a file.
      expect((await state.run(['policy', 'export', '/dev/null'])).code).toBe(0);
      expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    } finally {
      await state.remove();
    }
  });

  it('leaves out an incomplete record, names it, and exits 1', async () => {
    const state = makeStateFolder();
    try {
      await state.ask(['policy', 'put', '-'], JSON.stringify(many(3)));
      const { default: Database } = await import('libsql');
      const db = new Database(join(state.path, 'policies.db'));
      db.prepare("UPDATE policies SET record = '{' WHERE id = ?").run(numbered(1));
      db.close();
      const exported = await state.ask(['policy', 'export']);
      expect(exported.code).toBe(1);
      expect(exported.stderr).toContain(`without these incomplete records: ${numbered(1)}`);
      expect(exported.stdout.trim().split('\n')).toHaveLength(3);
    } finally {
      await state.remove();
    }
  });
});
