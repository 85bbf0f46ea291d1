import { renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Answered, ask } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
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
beforeEach(() => {
  up.arrivals.length = 0;
});

const get = (id: string, token?: string): Promise<Answered> =>
  ask(stack.http, {
    host: hostOf(up.port, id),
    headers: token === undefined ? {} : { 'e2b-traffic-access-token': token },
  });
const token = (value: string, more: object = {}) => ({
  id: value.slice(0, 8),
  sha256: digestOf(value),
  ...more,
});

describe('D2: with the push channel up, the old answer is gone once the write is in force:', () => {
  it('public to restricted', async () => {
    await stack.put(publicSandbox('d2a'));
    expect((await get('d2a')).status).toBe(200);
    await stack.put(restricted('d2a'));
    expect((await get('d2a')).status).toBe(403);
  });

  it('token revoked', async () => {
    await stack.put(restricted('d2b'));
    expect((await get('d2b', TOKEN)).status).toBe(200);
    await stack.put(restricted('d2b', { access: { tokens: [], revoked: [digestOf(TOKEN)] } }));
    expect((await get('d2b', TOKEN)).status).toBe(403);
  });

  it('sandbox deleted', async () => {
    await stack.put(publicSandbox('d2c'));
    expect((await get('d2c')).status).toBe(200);
    await stack.delete('d2c');
    const answered = await get('d2c');
    expect(answered.status).toBe(502);
    expect(answered.body).toBe('{"sandboxId":"d2c","message":"The sandbox was not found","code":502}');
  });
});

describe('D3: an id and its address are reused', () => {
  it('and a token of the first incarnation opens nothing, and its connections are not reused', async () => {
    const life = (incarnation: string, value: string) =>
      restricted('d3', { runtime: { incarnation }, access: { tokens: [token(value, { incarnation })] } });
    await stack.put(life('one', TOKEN));
    // Control: within one incarnation Envoy reuses its connection, so that crossing would show.
    await vi.waitFor(async () => {
      up.arrivals.length = 0;
      for (let round = 0; round < 3; round++) expect((await get('d3', TOKEN)).status).toBe(200);
      expect(new Set(up.arrivals.map(({ connection }) => connection)).size).toBe(1);
    }, PATIENCE);
    const [{ connection: first }] = up.arrivals as unknown as [{ connection: number }];
    up.arrivals.length = 0;

    await stack.put(life('two', OTHER_TOKEN));
    expect((await get('d3', TOKEN)).status).toBe(403);
    expect((await get('d3', OTHER_TOKEN)).status).toBe(200);
    expect(up.arrivals).toHaveLength(1);
    expect(up.arrivals[0]?.connection).not.toBe(first);
  });

  it('by another sandbox with the same incarnation, and connections of the first are not reused', async () => {
    await stack.put(
      publicSandbox('d3a', { runtime: { incarnation: 'same' } }),
      publicSandbox('d3b', { runtime: { incarnation: 'same' } }),
    );
    for (const id of ['d3a', 'd3b', 'd3a', 'd3b']) expect((await get(id)).status).toBe(200);
    const of = (id: string) =>
      up.arrivals
        .filter(({ headers }) => headers.host === hostOf(up.port, id))
        .map(({ connection }) => connection);
    expect(of('d3a').filter((connection) => of('d3b').includes(connection))).toEqual([]);
  });

  it('and a token bound to the old incarnation is refused even if the new put lists it', async () => {
    const bound = token(TOKEN, { incarnation: 'one' });
    await stack.put(restricted('d3c', { runtime: { incarnation: 'two' }, access: { tokens: [bound] } }));
    expect((await get('d3c', TOKEN)).status).toBe(403);
  });
});

describe('D7: revoke, pause, resume', () => {
  it('never restores the revoked token or drops the minted one', async () => {
    await stack.put(restricted('d7'));
    const access = { tokens: [token(OTHER_TOKEN)], revoked: [digestOf(TOKEN)] };
    await stack.put(restricted('d7', { access }));
    const route = { address: '127.0.0.1' };
    await stack.put({ sandboxId: 'd7', runtime: { state: 'paused', route } });
    expect((await get('d7', OTHER_TOKEN)).status).toBe(502);

    // The control plane resumes with its old token: refused, and nothing is written.
    await expect(stack.put(restricted('d7'))).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    expect((await get('d7', TOKEN)).status).toBe(502);
    await stack.put({ sandboxId: 'd7', runtime: { state: 'running', route } });
    expect((await get('d7', TOKEN)).status).toBe(403);
    expect((await get('d7', OTHER_TOKEN)).status).toBe(200);

    // Nor does an access part without the revoked digest clear it.
    await stack.put({ sandboxId: 'd7', access: { tokens: [token(OTHER_TOKEN)] } });
    await expect(stack.put(restricted('d7'))).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    expect((await get('d7', TOKEN)).status).toBe(403);
  });
});

describe('D8: no cache keeps an old allow', () => {
  it('when a sandbox is deleted and created again', async () => {
    await stack.put(publicSandbox('d8a'));
    expect((await get('d8a')).status).toBe(200);
    await stack.delete('d8a');
    expect((await get('d8a')).status).toBe(502);
    await stack.put(restricted('d8a'));
    expect((await get('d8a')).status).toBe(403);
  });

  it('when an older backup is restored, although the cached version looks newer', async () => {
    const db = join(stack.stateDir, 'policies.db');
    await stack.put(restricted('d8b'));
    const backup = join(stack.stateDir, 'backup.db');
    const copy = new Database(db);
    copy.exec(`VACUUM INTO '${backup}'`);
    copy.close();
    await stack.put(publicSandbox('d8b'));
    await stack.put(publicSandbox('d8c'));
    expect((await get('d8b')).status).toBe(200);
    expect((await get('d8c')).status).toBe(200);

    // Only the database file, with the old log: its content cannot be trusted, so every answer is a 503.
    renameSync(backup, db);
    const first = await vi.waitFor(async () => {
      const answered = await get('d8b');
      expect(answered.status).not.toBe(200);
      return answered;
    }, PATIENCE);
    expectUnavailable(first);
    for (const suffix of ['-wal', '-shm']) renameSync(db + suffix, `${db}-old${suffix}`);
    const restored = await vi.waitFor(async () => {
      const answered = await get('d8b');
      expect(answered.status).not.toBe(503);
      return answered;
    }, PATIENCE);
    expect(restored.status).toBe(403);
    expect((await get('d8c')).status).toBe(502);
    expect((await get('d8b', TOKEN)).status).toBe(200);
  });
});
