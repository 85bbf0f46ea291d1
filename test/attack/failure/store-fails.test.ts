import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answered, ask } from '../../stack/client.ts';
import { type Ran, sandgate } from '../../stack/command.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { smallDisk } from '../../stack/small-disk.ts';
import { hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { expectUnavailable } from '../../stack/unavailable.ts';

let stack: ProcessStack;
let up: Recorder;
let db: string;
beforeAll(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 1, flags: { 'cache-fresh': '0.2', 'cache-hard': '0.6' } });
  db = join(stack.stateDir, 'policies.db');
});
afterAll(async () => {
  await stack?.stop();
  await up?.close();
});

const get = (id: string, token?: string): Promise<Answered> =>
  ask(stack.http, {
    host: hostOf(up.port, id),
    headers: token === undefined ? {} : { 'e2b-traffic-access-token': token },
  });
const until = (status: number, id: string, token?: string) =>
  vi.waitFor(async () => {
    const answered = await get(id, token);
    expect(answered.status).toBe(status);
    return answered;
  }, PATIENCE);
const put = (record: object, stateDir = stack.stateDir, wrap: readonly string[] = []): Promise<Ran> =>
  sandgate(['policy', 'put', '-', '--json', '--state-dir', stateDir, '--sandbox-cidrs', '127.0.0.0/8'], {
    input: JSON.stringify(record),
    wrap,
  });
const codeOf = (ran: Ran) => JSON.parse(ran.stderr.trim().split('\n').at(-1)!).error.code;

describe('E1: a database that', () => {
  it('another process keeps locked still answers, refuses the write in time, and accepts it afterwards', async () => {
    await stack.put(restricted('locked'));
    const other = new Database(db);
    other.exec('BEGIN IMMEDIATE');
    try {
      const refused = await put(publicSandbox('locked'));
      expect(refused.code).toBe(1);
      expect(codeOf(refused)).toBe('STORE_UNAVAILABLE');
      expect((await get('locked')).status).toBe(403);
      expect((await get('locked', TOKEN)).status).toBe(200);
      expect((await get('nobody')).status).toBe(502);
    } finally {
      other.exec('ROLLBACK');
      other.close();
    }
    expect((await put(publicSandbox('locked'))).code).toBe(0);
    expect((await get('locked')).status).toBe(200);
  });

  it('is removed and put back is a 503 in between', async () => {
    await stack.put(restricted('moved'));
    expect((await get('moved', TOKEN)).status).toBe(200);
    renameSync(db, `${db}.away`);
    expectUnavailable(await until(503, 'moved', TOKEN));
    expectUnavailable(await get('moved'));
    expectUnavailable(await get('nobody'));
    const ready = await fetch(`${stack.gates[0]!.ops}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ ready: false, parts: { store: { ok: false } } });
    renameSync(`${db}.away`, db);
    await until(200, 'moved', TOKEN);
    expect((await get('moved')).status).toBe(403);
  });

  it('is damaged under a running gate opens nothing, and works again once a backup replaces it', async () => {
    const many = Array.from({ length: 400 }, (_, index) => restricted(`hit${index}`));
    await stack.put(...many);
    const other = new Database(db);
    other.exec(`VACUUM INTO '${db}.backup'`);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    other.close();
    // From the second page on, so that it still looks like a database.
    const { size } = statSync(db);
    const file = openSync(db, 'r+');
    for (let at = 4096; at < size; at += 4096) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, at);
    closeSync(file);

    const seen = new Set<number>();
    for (let index = 0; index < 400; index += 2) seen.add((await get(`hit${index}`)).status);
    console.log('statuses without a token over a damaged file', [...seen]);
    for (const status of seen) expect([403, 503]).toContain(status);
    expect(up.arrivals.some(({ headers }) => headers.host?.includes('-hit'))).toBe(false);

    for (const suffix of ['-wal', '-shm']) renameSync(db + suffix, `${db}.damaged${suffix}`);
    copyFileSync(`${db}.backup`, `${db}.new`);
    renameSync(`${db}.new`, db);
    await until(200, 'hit399', TOKEN);
    expect((await get('hit0')).status).toBe(403);
    expect(stack.gates[0]!.log()).not.toContain('INTERNAL');
  });
});

describe('E1: a disk that is full', () => {
  it('refuses the write, keeps its content, and the gate keeps running', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sandgate-full-'));
    const disk = smallDisk(folder);
    const gate = await stack.startGate(0, await freed(folder, disk.wrap));
    try {
      const stateDir = folder;
      const wrap = disk.join(gate.pid);
      expect((await put(restricted('full'), stateDir, wrap)).code).toBe(0);
      await until(200, 'full', TOKEN);

      let last: Ran | undefined;
      for (let round = 0; round < 60 && (last === undefined || last.code === 0); round++) {
        const batch = Array.from({ length: 200 }, (_, index) => restricted(`r${round}x${index}`));
        last = await put(batch, stateDir, wrap);
      }
      console.log(`${disk.kind}: ${last?.stderr.trim()}`);
      expect(last?.code).toBe(1);
      expect(codeOf(last!)).toBe('STORE_UNAVAILABLE');
      // Written policies are served, refused ones do not exist, and no gate was restarted.
      expect((await get('full', TOKEN)).status).toBe(200);
      expect((await get('full')).status).toBe(403);
      expect((await get('r0x0', TOKEN)).status).toBe(200);
      expect((await get('r59x199', TOKEN)).status).toBe(502);
      expect(stack.gates[0]!.pid).toBe(gate.pid);

      // No token is returned that is not stored.
      const minted = await sandgate(['token', 'mint', 'full', '--state-dir', stateDir], { wrap });
      if (minted.code === 0) await until(200, 'full', minted.stdout.trim());
      else
        expect(minted).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringContaining('disk is full'),
        });
    } finally {
      await gate.end();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Ends the current gate; the one in `folder` replaces it. Its socket stays outside, where Envoy expects it. */
async function freed(folder: string, wrap: readonly string[]) {
  await stack.gates[0]!.end();
  mkdirSync(folder, { recursive: true });
  return { stateDir: folder, wrap };
}
