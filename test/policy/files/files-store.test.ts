import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { type FilesEvent, openFilesStore } from '../../../src/policy/files/files-store.ts';
import { readPolicyFile } from '../../../src/policy/files/policy-file.ts';
import type { Change, PolicyStore } from '../../../src/policy/store.ts';
import { PATIENCE_MS } from '../../stack/patience.ts';
import { digestOf, FakeClock, input, put, rules, stored, token } from '../sample.ts';

let root: string;
let folder: string;
let events: FilesEvent[];
let changes: Change[];
let stores: PolicyStore[];
const clock = new FakeClock();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sandgate-files-'));
  folder = join(root, 'policies');
  await mkdir(folder);
  events = [];
  changes = [];
  stores = [];
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await rm(root, { recursive: true });
});

async function open(site = rules): Promise<PolicyStore> {
  const onEvent = (event: FilesEvent) => events.push(event);
  const store = await openFilesStore({ folder, rules: site, clock, random: randomBytes, scanMs: 5, onEvent });
  stores.push(store);
  store.subscribe((change) => changes.push(change));
  return store;
}

/** Replaces the file atomically. */
async function write(name: string, content: unknown): Promise<void> {
  await writeFile(join(root, 'next'), typeof content === 'string' ? content : stringify(content));
  await rename(join(root, 'next'), join(folder, name));
}

const code = (expected: string) => expect.objectContaining({ code: expected });
const badNames = (store: PolicyStore) => store.unusable()?.named.map(({ name }) => name);
const announced = () =>
  changes.flatMap((change) => (change.kind === 'changed' ? change.sandboxIds : ['reset']));
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: PATIENCE_MS, interval: 2 });
const stateOf = async (store: PolicyStore, id = 'sbx1') =>
  ((await store.read(id)) as { runtime: { state: string } } | undefined)?.runtime.state;

/** Everything but the version, which differs between stores. */
const meaningOf = (record: unknown) => ({ ...compilePolicy('sbx1', record, rules), version: '' });

describe('a file', () => {
  it.each([
    ['sbx1.yaml', stringify(input())],
    ['sbx1.yml', '# a comment\nsandboxId: sbx1\nruntime: { route: { address: 10.0.3.7 } }\n'],
    ['sbx1.json', '{\n\t"sandboxId": "sbx1",\n\t"runtime": { "route": { "address": "10.0.3.7" } }\n}\n'],
  ])('%s is a policy', async (name, text) => {
    await write(name, text);
    const store = await open();
    expect(compilePolicy('sbx1', await store.read('sbx1'), rules)).toMatchObject({
      route: { address: '10.0.3.7' },
    });
    expect(store.fault()).toBeUndefined();
  });

  it('that says public is a policy, which the gate restricts if the deployment refuses that', async () => {
    await write('sbx1.yaml', stringify(input('sbx1', { access: { allowPublicTraffic: true } })));
    const refuse = { ...rules, publicTraffic: 'refuse' as const };
    const store = await open(refuse);
    expect(store.unusable()).toBeUndefined();
    const policy = compilePolicy('sbx1', await store.read('sbx1'), refuse);
    expect(policy).toMatchObject({ allowPublicTraffic: false, publicRefused: true });
  });

  it('may be the output of `policy get` from another store', async () => {
    const record = stored('sbx1', { access: { tokens: [token('a')] } });
    await write('sbx1.json', JSON.stringify(record));
    expect(meaningOf(await (await open()).read('sbx1'))).toEqual(meaningOf(record));
  });

  it('is the same record in each gate, and after a restart', async () => {
    await write('sbx1.yaml', input('sbx1', { access: { tokens: [{ id: 'a', sha256: digestOf('a') }] } }));
    const [one, two] = [await open(), await open()];
    const policies = await Promise.all([one, two].map((store) => store.read('sbx1')));
    expect(meaningOf(policies[0])).toEqual(meaningOf(policies[1]));
  });

  it('keeps its incarnation through a pause, and gets a new one with a new address', async () => {
    const lifeOf = async (store: PolicyStore) =>
      ((await store.read('sbx1')) as { runtime: { incarnation: string } }).runtime.incarnation;
    await write('sbx1.yaml', input());
    const store = await open();
    const first = await lifeOf(store);
    await write('sbx1.yaml', input('sbx1', { runtime: { state: 'paused' } }));
    await eventually(async () => expect(await stateOf(store)).toBe('paused'));
    expect(await lifeOf(store)).toBe(first);
    await write('sbx1.yaml', input('sbx1', { runtime: { route: { address: '10.9.9.9' } } }));
    await eventually(async () => expect(await lifeOf(store)).not.toBe(first));
  });

  it('that was touched without a change of content is not a change', async () => {
    await write('sbx1.yaml', input());
    await open();
    await utimes(join(folder, 'sbx1.yaml'), 1, 1);
    await write('sbx2.yaml', input('sbx2'));
    await eventually(() => expect(announced()).toEqual(['sbx2']));
  });

  it('edited in place, with the same size and time, is a change', async () => {
    const [a, b] = ['running', 'paused '].map((state) =>
      JSON.stringify({ ...input(), runtime: { route: { address: '10.0.3.7' }, state: state.trim() } }).padEnd(
        200,
      ),
    );
    await write('sbx1.json', a!);
    await utimes(join(folder, 'sbx1.json'), 1, 1);
    const store = await open();
    await writeFile(join(folder, 'sbx1.json'), b!);
    await utimes(join(folder, 'sbx1.json'), 1, 1);
    await eventually(async () => expect(await stateOf(store)).toBe('paused'));
  });

  it('swapped behind a symlink, as Kubernetes does, is a change', async () => {
    const version = async (name: string, state: string) => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'sbx1.yaml'), stringify(input('sbx1', { runtime: { state } })));
      await symlink(name, join(folder, '..next'));
      await rename(join(folder, '..next'), join(folder, '..data'));
    };
    await version('..2030_1', 'running');
    await symlink(join('..data', 'sbx1.yaml'), join(folder, 'sbx1.yaml'));
    const store = await open();
    expect(await stateOf(store)).toBe('running');
    await version('..2030_2', 'paused');
    await rm(join(folder, '..2030_1'), { recursive: true });
    await eventually(async () => expect(await stateOf(store)).toBe('paused'));
    expect(store.fault()).toBeUndefined();
    expect(events).toEqual([]);
  });

  it('with a leading dot or another extension is ignored', async () => {
    for (const name of ['.sbx1.yaml', 'README.md', 'sbx1.yaml~', 'sbx1.yaml.swp', 'yaml', '.yaml'])
      await write(name, 'x: [');
    await mkdir(join(folder, 'sub'));
    const store = await open();
    expect(store.fault()).toBeUndefined();
    expect(await store.list({ limit: 9 })).toEqual([]);
  });
});

describe('a bad file', () => {
  it.each([
    ['no YAML', 'sandboxId: [', /line \d+, column \d+/],
    ['empty', '', /record must be an object/],
    ['of another sandbox', stringify(input('sbx2')), /name of the file/],
    ['without a route', 'sandboxId: sbx1\nruntime: {}\n', /runtime.route is missing/],
    ['without a runtime part', 'sandboxId: sbx1\naccess: {}\n', /runtime.route is missing/],
    ['with a field that is not known', stringify({ ...input(), owner: 1 }), /owner is not a field/],
    [
      'with a key twice',
      `${stringify(input())}access: { allowPublicTraffic: false }\naccess: {}\n`,
      /DUPLICATE_KEY/,
    ],
    ['with a JSON key twice', '{"sandboxId":"sbx1","sandboxId":"sbx1"}', /DUPLICATE_KEY/],
    ['with two documents', `${stringify(input())}---\n${stringify(input())}`, /MULTIPLE_DOCS/],
    ['with a tag', `sandboxId: !id sbx1\n`, /TAG_RESOLVE_FAILED/],
    ['with aliases', 'a: &a [1]\nb: *a\n', /aliases/],
    [
      'with a bomb',
      `a: &a [x]\nb: &b [${'*a,'.repeat(9)}*a]\nc: &c [${'*b,'.repeat(9)}*b]\nd: [${'*c,'.repeat(9)}*c]\n`,
      /aliases/,
    ],
    [
      'larger than a policy can be',
      `${stringify(input())}# ${'x'.repeat(1024 * 1024)}`,
      /larger than 512 KiB/,
    ],
    [
      'that revokes what it lists',
      stringify(input('sbx1', { access: { tokens: [token('a')], revoked: [digestOf('a')] } })),
      /revoked/,
    ],
  ])('%s is an unreadable policy from the start, and the fault says why', async (_fault, text, reason) => {
    await write('sbx1.yaml', text);
    await write('good.yaml', input('good'));
    const store = await open();
    await expect(store.read('sbx1')).rejects.toThrow(code('POLICY_UNREADABLE'));
    expect(store.fault()).toBeUndefined();
    expect(store.unusable()).toEqual({
      kind: 'files',
      count: 1,
      named: [{ name: 'sbx1.yaml', reason: expect.stringMatching(reason) }],
    });
    expect(events).toEqual([
      { name: 'policy_file_bad', file: 'sbx1.yaml', reason: expect.stringMatching(reason) },
    ]);
    expect((await store.list({ limit: 9 })).map((record) => record.sandboxId)).toEqual(['good']);
    await write('sbx1.yaml', input());
    await eventually(() => expect(announced()).toEqual(['sbx1']));
    expect(await stateOf(store)).toBe('running');
    expect(store.unusable()).toBeUndefined();
    expect(events.at(-1)).toEqual({ name: 'policy_file_good', file: 'sbx1.yaml' });
  });

  it('keeps the last good policy until it is valid again or removed', async () => {
    await write('sbx1.yaml', input());
    const store = await open();
    await write('sbx1.yaml', 'sandboxId: [');
    await eventually(() => expect(badNames(store)).toEqual(['sbx1.yaml']));
    expect(await stateOf(store)).toBe('running');
    expect(announced()).toEqual([]);
    await rm(join(folder, 'sbx1.yaml'));
    await eventually(() => expect(announced()).toEqual(['sbx1']));
    expect(await store.read('sbx1')).toBeUndefined();
    expect(store.unusable()).toBeUndefined();
  });

  it('is not an absent policy, even if it appeared later; once removed, it is', async () => {
    const store = await open();
    await write('sbx1.yaml', 'x');
    await eventually(() => expect(announced()).toEqual(['sbx1']));
    await expect(store.read('sbx1')).rejects.toThrow(code('POLICY_UNREADABLE'));
    await rm(join(folder, 'sbx1.yaml'));
    await eventually(() => expect(announced()).toEqual(['sbx1', 'sbx1']));
    expect(await store.read('sbx1')).toBeUndefined();
  });

  it('is each of two files for one sandbox', async () => {
    await write('sbx1.yaml', input());
    await write('sbx1.json', JSON.stringify(input('sbx1', { access: { allowPublicTraffic: true } })));
    const store = await open();
    await expect(store.read('sbx1')).rejects.toThrow(code('POLICY_UNREADABLE'));
    expect(badNames(store)).toEqual(['sbx1.json', 'sbx1.yaml']);
    await rm(join(folder, 'sbx1.json'));
    await eventually(async () => expect(await stateOf(store)).toBe('running'));
    await write('sbx1.yml', input());
    await eventually(() => expect(badNames(store)).toEqual(['sbx1.yaml', 'sbx1.yml']));
    expect(await stateOf(store)).toBe('running');
  });

  it('may be something other than a readable file, or not be named by an id', async () => {
    await mkdir(join(folder, 'sbx1.yaml'));
    await symlink('nowhere', join(folder, 'sbx2.yaml'));
    await symlink('sbx3.yaml', join(folder, 'sbx3.yaml'));
    execFileSync('mkfifo', [join(folder, 'sbx4.yaml')]);
    await symlink('/dev/zero', join(folder, 'sbx5.yaml'));
    await write('Not_An_Id.yaml', stringify(input('Not_An_Id')));
    await write('a\nb.yaml', stringify(input('sbx6')));
    await write('good.yaml', input('good'));
    const store = await open();
    for (const id of ['sbx1', 'sbx2', 'sbx3', 'sbx4', 'sbx5', 'Not_An_Id'])
      await expect(store.read(id)).rejects.toThrow(code('POLICY_UNREADABLE'));
    expect(await store.read('sbx6')).toBeUndefined();
    expect(await stateOf(store, 'good')).toBe('running');
    expect(badNames(store)).toEqual([
      'Not_An_Id.yaml',
      'a\nb.yaml',
      ...[1, 2, 3, 4, 5].map((n) => `sbx${n}.yaml`),
    ]);
  });

  it('that became a FIFO after it was looked at does not stop the scan', async () => {
    execFileSync('mkfifo', [join(folder, 'sbx1.yaml')]);
    const read = await readPolicyFile(join(folder, 'sbx1.yaml'), 'sbx1', rules, clock);
    expect(read).toEqual({ fault: expect.stringContaining('not a regular file') });
  });

  it("that the system does not let the gate read is named with the system's error, not with its path", async () => {
    const read = await readPolicyFile(join(folder, 'gone.yaml'), 'gone', rules, clock);
    expect(read).toEqual({ fault: 'cannot be read (ENOENT)' });
  });

  it('replaced again and again while it is read is never taken for half of it', async () => {
    await write('sbx1.yaml', input());
    const store = await open();
    for (let n = 0; n < 50; n++) {
      await write('sbx1.yaml', input('sbx1', { runtime: { state: n % 2 === 0 ? 'paused' : 'running' } }));
      expect(['running', 'paused']).toContain(await stateOf(store));
    }
    await write('last.yaml', input('last'));
    await eventually(async () => expect(await stateOf(store, 'last')).toBe('running'));
    expect(store.unusable()).toBeUndefined();
  });

  it('is one of at most a hundred that are named; the others are counted', async () => {
    for (let n = 0; n < 120; n++) await write(`sbx${n}.yaml`, 'x: [');
    await write('good.yaml', input('good'));
    const store = await open();
    expect(store.unusable()).toMatchObject({ count: 120 });
    expect(store.unusable()!.named).toHaveLength(100);
    expect(events).toHaveLength(101);
    expect(events.at(-1)).toEqual({ name: 'policy_files_more', count: 20 });
    expect(await stateOf(store, 'good')).toBe('running');
  });
});

describe('the folder', () => {
  it('must exist at start', async () => {
    await rm(folder, { recursive: true });
    await expect(open()).rejects.toThrow(code('STATE_UNUSABLE'));
  });

  it('may disappear later: the last good policies stay, with a fault until it is back', async () => {
    await write('sbx1.yaml', input());
    const store = await open();
    await rename(folder, join(root, 'away'));
    await eventually(() => expect(store.fault()).toContain('ENOENT'));
    expect(await stateOf(store)).toBe('running');
    expect(announced()).toEqual([]);
    await rename(join(root, 'away'), folder);
    await eventually(() => expect(store.fault()).toBeUndefined());
    expect(events.map((event) => event.name)).toEqual(['policy_folder_lost', 'policy_folder_back']);
  });

  it('is read-only', async () => {
    const store = await open();
    const refusal = { code: 'STORE_READ_ONLY', remedy: expect.stringContaining(folder) };
    await expect(store.write([put()])).rejects.toMatchObject(refusal);
    await expect(store.delete('sbx1')).rejects.toMatchObject(refusal);
  });
});
