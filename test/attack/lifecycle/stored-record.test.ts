import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answered, ask } from '../../stack/client.ts';
import { PATIENCE, PATIENCE_MS } from '../../stack/patience.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import {
  digestOf,
  hostOf,
  OTHER_TOKEN,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../../stack/test-stack.ts';
import { expectUnavailable } from '../../stack/unavailable.ts';

/** A stored record as JSON, to be damaged. */
// biome-ignore lint/suspicious/noExplicitAny: it is damaged in every way.
type Stored = any;

const SPOILS: Record<string, (record: Stored) => unknown> = {
  'the access part is gone': ({ access: _, ...rest }) => rest,
  'the runtime part is gone': ({ runtime: _, ...rest }) => rest,
  'the access part is null': (record) => ({ ...record, access: null }),
  'the access part is empty': (record) => ({ ...record, access: {} }),
  'allowPublicTraffic is gone': (record) => without(record, 'access', 'allowPublicTraffic'),
  'allowPublicTraffic is the text "true"': (record) => set(record, 'access', { allowPublicTraffic: 'true' }),
  'allowPublicTraffic is 1': (record) => set(record, 'access', { allowPublicTraffic: 1 }),
  'allowPublicTraffic is null': (record) => set(record, 'access', { allowPublicTraffic: null }),
  'the tokens are gone': (record) => without(record, 'access', 'tokens'),
  'the tokens are null': (record) => set(record, 'access', { tokens: null }),
  'the revoked digests are gone': (record) => without(record, 'access', 'revoked'),
  'upstreamToken is gone': (record) => without(record, 'access', 'upstreamToken'),
  'the state is gone': (record) => without(record, 'runtime', 'state'),
  'the state is of a later version': (record) => set(record, 'runtime', { state: 'hibernating' }),
  'the incarnation is gone': (record) => without(record, 'runtime', 'incarnation'),
  'the route is gone': (record) => without(record, 'runtime', 'route'),
  'the route names a host': (record) => set(record, 'runtime', { route: { address: 'localhost' } }),
  'the route is outside the networks': (record) => set(record, 'runtime', { route: { address: '10.0.0.1' } }),
  'the route is the metadata address': (record) =>
    set(record, 'runtime', { route: { address: '169.254.169.254' } }),
  'a mask goes with a node proxy': (record) => ({
    ...set(record, 'runtime', { route: { address: '127.0.0.1', port: 5007 } }),
    access: { ...record.access, maskRequestHost: 'other.e2b.localhost' },
  }),
  'a version is gone': (record) => without(record, 'access', 'version'),
  'access holds a field of a later version': (record) => set(record, 'access', { allowedIps: ['10.1.1.1'] }),
  'runtime holds a field of a later version': (record) => set(record, 'runtime', { quarantined: true }),
  'the record holds a field of a later version': (record) => ({ ...record, lockdown: true }),
  'the record is of schema 2': (record) => ({ ...record, schema: 2 }),
  'the schema is gone': ({ schema: _, ...rest }) => rest,
  'it is the record of another sandbox': (record) => ({ ...record, sandboxId: 'open' }),
  'it is a list': (record) => [record],
  'it is null': () => null,
  'it is a text': () => 'public',
};

/** Text that is not JSON, or JSON that the table above cannot express. */
const TEXTS: Record<string, (text: string) => string> = {
  'the JSON is cut short': (text) => text.slice(0, -20),
  'the JSON is empty': () => '',
  'a key repeats, and the second one says that it is public': (text) =>
    text.replace('"allowPublicTraffic":false', '"allowPublicTraffic":false,"allowPublicTraffic":true'),
  'a __proto__ says that it is public': (text) =>
    text.replace('"access":{', '"access":{"__proto__":{"allowPublicTraffic":true},'),
};

const without = (record: Stored, part: string, field: string) => {
  const { [field]: _, ...rest } = record[part];
  return { ...record, [part]: rest };
};
const set = (record: Stored, part: string, fields: object) => ({
  ...record,
  [part]: { ...record[part], ...fields },
});

let stack: TestStack;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
  stack = await startTestStack();
});
afterAll(async () => {
  await stack?.stop();
  await up?.close();
});

/** Bypasses the store, as a bug, another version or a manual edit would. */
function edit(id: string, change: (text: string) => string): void {
  const db = new Database(join(stack.stateDir, 'policies.db'), { timeout: PATIENCE_MS });
  try {
    const { record } = db.prepare('SELECT record FROM policies WHERE id = ?').get(id) as { record: string };
    db.prepare('UPDATE policies SET record = ? WHERE id = ?').run(change(record), id);
  } finally {
    db.close();
  }
}

const get = (id: string, token?: string): Promise<Answered> =>
  ask(stack.http, {
    host: hostOf(up.port, id),
    headers: token === undefined ? {} : { 'e2b-traffic-access-token': token },
  });

/** Repeats the request until the answer is no longer `status`, and returns the first different one. */
function untilNot(status: number, id: string, token?: string): Promise<Answered> {
  return vi.waitFor(
    async () => {
      const answered = await get(id, token);
      expect(answered.status).not.toBe(status);
      return answered;
    },
    { ...PATIENCE, interval: 5 },
  );
}

describe('D1: a restricted sandbox whose stored record is damaged is a 503, and never public:', () => {
  const cases = [
    ...Object.entries(SPOILS).map(
      ([name, spoil]) => [name, (text: string) => JSON.stringify(spoil(JSON.parse(text)))] as const,
    ),
    ...Object.entries(TEXTS),
  ];

  it.each(cases)('%s', async (name, spoil) => {
    const id = `spoilt${cases.findIndex(([other]) => other === name)}`;
    await stack.put(restricted(id), publicSandbox('open'));
    expect((await get(id)).status).toBe(403);
    expect((await get(id, TOKEN)).status).toBe(200);
    const arrived = up.arrivals.length;
    edit(id, spoil);
    // The first different answer, without a token and then with it.
    expectUnavailable(await untilNot(403, id));
    expectUnavailable(await untilNot(200, id, TOKEN));
    expect(up.arrivals.slice(arrived).filter(({ headers }) => headers.host !== hostOf(up.port, id))).toEqual(
      [],
    );
  });

  it('a public one is a 503 too, because it is unknown whether it is still public', async () => {
    await stack.put(publicSandbox('wasopen'));
    expect((await get('wasopen')).status).toBe(200);
    edit('wasopen', (text) => text.replace('"access":{', '"access":{"allowedIps":[],'));
    expectUnavailable(await untilNot(200, 'wasopen'));
  });

  it('and works again once a complete record is put', async () => {
    await stack.put(restricted('healed'));
    edit('healed', (text) => text.replace('"allowPublicTraffic":false,', ''));
    expectUnavailable(await untilNot(403, 'healed'));
    await stack.put(restricted('healed'));
    expect((await get('healed')).status).toBe(403);
    expect((await get('healed', TOKEN)).status).toBe(200);
  });
});

describe('D9: a token that this version cannot read', () => {
  it.each([
    ['has an unknown field', { scope: 'read' }],
    ['has ports that are no list', { ports: '8080' }],
    ['has a time that is none', { expiresAt: 'tomorrow' }],
    ['has no digest', { sha256: undefined }],
  ])('never matches, and spoils no other: one that %s', async (_name, fields) => {
    const both = [
      { id: 'one', sha256: digestOf(TOKEN) },
      { id: 'two', sha256: digestOf(OTHER_TOKEN) },
    ];
    await stack.put(restricted('tokens', { access: { tokens: both } }));
    expect((await get('tokens', TOKEN)).status).toBe(200);
    edit('tokens', (text) => {
      const record = JSON.parse(text);
      Object.assign(record.access.tokens[0], fields);
      return JSON.stringify(record);
    });
    const answered = await untilNot(200, 'tokens', TOKEN);
    expect(answered.status).toBe(403);
    expect(answered.headers['x-sandgate-reason']).toBe('token_invalid');
    expect((await get('tokens', OTHER_TOKEN)).status).toBe(200);
  });
});
