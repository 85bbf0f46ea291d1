import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compilePolicy } from '../../src/policy/compile.ts';
import { parseNetworks } from '../../src/policy/network.ts';
import { parsePut } from '../../src/policy/put.ts';
import { putSchema, putTokenSchema, storedSchema, storedTokenSchema } from '../../src/policy/record.ts';
import { openSqliteStore } from '../../src/policy/sqlite/sqlite-store.ts';
import type { PolicyStore } from '../../src/policy/store.ts';
import { FIXTURE, LIVE, OLDER_TOKENS } from './older-state.ts';
import { digestOf, FakeClock, rules as sampleRules } from './sample.ts';

const rules = { ...sampleRules, networks: parseNetworks(['127.0.0.0/8', '::1/128']) };
const compile = async (id: string) => compilePolicy(id, await store.read(id), rules);

let folder: string;
let store: PolicyStore;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-older-'));
  cpSync(join(FIXTURE, 'state'), folder, { recursive: true });
  store = await openSqliteStore({
    path: join(folder, 'policies.db'),
    routing: 'gate',
    create: false,
    clock: new FakeClock(),
    random: (bytes) => Buffer.alloc(bytes, 1),
  });
});
afterAll(async () => {
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('records that b245ba8 wrote', () => {
  it('are all there, and what was deleted is not', async () => {
    const records = await store.list({ limit: 100 });
    expect(records.map(({ sandboxId }) => sandboxId)).toEqual(LIVE);
  });

  it.each(LIVE)('can be used: %s', async (id) => {
    await expect(compile(id)).resolves.toMatchObject({ sandboxId: id });
  });

  it('keep every token that was not revoked, whatever its label', async () => {
    const { tokens } = await compile('oldtokens');
    const digests = [
      'default',
      'ports',
      'noports',
      'expired',
      'valid',
      'bound',
      'otherlife',
      'rotated',
      'successor',
    ];
    expect(tokens.map(({ digest }) => Buffer.from(digest, 'latin1').toString('hex'))).toEqual(
      digests.map((name) => digestOf(OLDER_TOKENS[name] ?? name)),
    );
    expect(tokens[0]?.label).toContain('\u202e');
  });

  it('come back from `policy get | policy put` as they were, so that b245ba8 can still read them', async () => {
    const all = await store.list({ limit: 100 });
    // The one exception: a put now refuses what a terminal would show as another text.
    const hidden = (record: unknown) => JSON.stringify(record).includes('\u202e');
    expect(all.filter(hidden)).toHaveLength(1);
    expect(() => all.filter(hidden).map((record) => parsePut(record, rules))).toThrow('label');
    const before = all.filter((record) => !hidden(record));
    const { records } = await store.write(before.map((record) => parsePut(record, rules)));
    const withoutVersions = (record: unknown) =>
      JSON.parse(JSON.stringify(record, (key, value) => (key === 'version' ? undefined : value)));
    expect(records.map(withoutVersions)).toEqual(before.map(withoutVersions));
  });
});

/** The fields that b245ba8 always has in a stored record. No other can be required, or filled in. */
const FIRST = {
  record: ['access', 'runtime', 'sandboxId', 'schema'],
  runtime: ['incarnation', 'state', 'version'],
  route: ['address'],
  access: ['allowPublicTraffic', 'revoked', 'tokens', 'upstreamToken', 'version'],
  token: ['createdAt', 'id', 'sha256'],
};

const { runtime, access } = storedSchema.shape;
const required = ({ shape }: z.ZodObject) =>
  Object.keys(shape)
    .filter((field) => !z.safeParse(shape[field]!, undefined).success)
    .sort();

describe('a field that is added', () => {
  it.each([
    ['record', storedSchema],
    ['runtime', runtime],
    ['route', runtime.shape.route.unwrap()],
    ['access', access],
    ['token', storedTokenSchema],
  ] as const)('is optional in a stored %s', (name, schema) => {
    expect(required(schema)).toEqual(FIRST[name]);
  });

  it('is never filled in', async () => {
    const bare = { id: 'a', sha256: digestOf('a') };
    const route = { address: '127.0.0.1' };
    const put = parsePut({ sandboxId: 'new', runtime: { route }, access: { tokens: [bare] } }, rules);
    const { runtime, access } = (await store.write([put])).records[0] as z.infer<typeof storedSchema>;
    expect(Object.keys(runtime).sort()).toEqual([...FIRST.runtime, 'route'].sort());
    expect(Object.keys(runtime.route!)).toEqual(FIRST.route);
    expect(Object.keys(access).sort()).toEqual(FIRST.access);
    expect(Object.keys(access.tokens[0]!).sort()).toEqual(FIRST.token);
    expect(Object.keys(putSchema.parse({ sandboxId: 'new' }))).toEqual(['sandboxId']);
    expect(Object.keys(putTokenSchema.parse(bare)).sort()).toEqual(['id', 'sha256']);
  });
});
