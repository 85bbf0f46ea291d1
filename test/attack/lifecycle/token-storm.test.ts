import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { GateRun } from '../../../src/state/run-file.ts';
import { type Answered, askAdmin } from '../../policy-api/client.ts';
import { ask } from '../../stack/client.ts';
import { sandgate } from '../../stack/command.ts';
import type { GateProcess } from '../../stack/gate-process.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { digestOf, hostOf, restricted } from '../../stack/test-stack.ts';

const WRITERS = 3;
const ROUNDS = 4;
const TOKENS = '/v1/policies/storm/tokens';

let stack: ProcessStack;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 2 });
});
afterAll(async () => {
  await stack?.stop();
  await up?.close();
});

const adminOf = ({ pid }: GateProcess) =>
  (JSON.parse(readFileSync(join(stack.stateDir, 'run', `${pid}.json`), 'utf8')) as GateRun).policyApi!;

/** Acknowledged writes, by plaintext. */
const alive = new Set<string>();
const dead = new Set<string>();

function take(answer: Answered, ends?: string): string {
  expect(answer.text).toMatch(/^\{"(token|revoked)"/);
  if (ends !== undefined) {
    alive.delete(ends);
    dead.add(ends);
  }
  if (answer.body.token !== undefined) alive.add(answer.body.token);
  return answer.body.token;
}

/** Mints, rotates at once and revokes, as fast as the answers come. An undefined answer means that the gate is gone. */
async function write(at: string, writer: string, stopped: () => boolean): Promise<void> {
  const call = (method: string, path: string, json?: object) =>
    askAdmin(at, { method, path, ...(json && { json }) }).catch((error) => {
      if (stopped()) throw error;
      return undefined;
    });
  for (let round = 0; round < ROUNDS; round++) {
    const id = `${writer}-${round}`;
    const minted = await call('POST', TOKENS, { id });
    if (minted === undefined) return;
    const first = take(minted);
    const ended = [first];
    const rotated = await call('POST', `${TOKENS}/${id}/rotate`, { overlapSeconds: 0, id });
    if (rotated === undefined) return void alive.delete(first);
    const second = take(rotated, first);
    ended.push(second);
    if (round % 2 === 1) continue;
    const revoked = await call('DELETE', `${TOKENS}/${id}`);
    if (revoked === undefined) return void alive.delete(second);
    take(revoked, second);
  }
}

async function statusOf(token: string): Promise<number> {
  const headers = { 'e2b-traffic-access-token': token };
  return (await ask(stack.http, { host: hostOf(up.port, 'storm'), headers })).status;
}

async function expectAllAcknowledged(): Promise<void> {
  // Twice, because either gate may get the request.
  const statusesOf = async (tokens: Set<string>) =>
    new Set(await Promise.all([...tokens, ...tokens].map(statusOf)));
  expect(await statusesOf(alive)).toEqual(new Set([200]));
  expect(await statusesOf(dead)).toEqual(new Set([403]));
  const { access } = (await stack.store.read('storm')) as {
    access: { tokens: { sha256: string }[]; revoked: string[] };
  };
  const kept = access.tokens.map(({ sha256 }) => sha256);
  expect(kept).toEqual(expect.arrayContaining([...alive].map(digestOf)));
  expect(access.revoked).toEqual(expect.arrayContaining([...dead].map(digestOf)));
  expect(kept.filter((digest) => access.revoked.includes(digest))).toEqual([]);
}

describe('D6: many writers of the tokens of one sandbox, at two gates and in commands', () => {
  it('lose no update, and leave no revoked token valid', async () => {
    await stack.put(restricted('storm', { access: { tokens: [] } }));
    const places = stack.gates.map(adminOf);
    const writers = places.flatMap((at, gate) =>
      Array.from({ length: WRITERS }, (_, n) => write(at, `g${gate}w${n}`, () => true)),
    );
    const commands = ['c0', 'c1'].map(async (id) => {
      const ran = await sandgate(['token', 'mint', 'storm', '--id', id, '--state-dir', stack.stateDir]);
      expect(ran.stderr).toContain('minted');
      alive.add(ran.stdout.trim());
    });
    await Promise.all([...writers, ...commands]);
    expect(alive.size).toBe(2 * WRITERS * (ROUNDS / 2) + 2);
    expect(dead.size).toBe(2 * WRITERS * (ROUNDS + ROUNDS / 2));
    await expectAllAcknowledged();
  });

  it('keep every acknowledged write when one gate is killed meanwhile', async () => {
    const [stays, goes] = stack.gates as [GateProcess, GateProcess];
    const acknowledged = () => alive.size + dead.size;
    const before = acknowledged();
    let killed = false;
    const writers = [stays, goes].flatMap((gate) =>
      Array.from({ length: WRITERS }, (_, n) =>
        write(adminOf(gate), `k${gate.pid}w${n}`, () => gate === stays || !killed),
      ),
    );
    await expect.poll(acknowledged, { ...PATIENCE, interval: 5 }).toBeGreaterThan(before + 6);
    killed = true;
    goes.signal('SIGKILL');
    await Promise.all(writers);
    await stack.startGate(1);
    await stack.waitForGates(2);
    await expectAllAcknowledged();
  });

  it('learn that a write is not in force everywhere while one gate is frozen, and it is once that gate thaws', async () => {
    const [asked, frozen] = stack.gates as [GateProcess, GateProcess];
    const minted = await askAdmin(adminOf(asked), { method: 'POST', path: TOKENS, json: { id: 'ice' } });
    take(minted);
    frozen.signal('SIGSTOP');
    const revoked = await askAdmin(adminOf(asked), { method: 'DELETE', path: `${TOKENS}/ice` });
    frozen.signal('SIGCONT');
    expect(revoked.body).toMatchObject({ revoked: { id: 'ice' }, gates: 2, inForce: false });
    take(revoked, minted.body.token);
    // A write waits two seconds to be in force; a gate that just thawed may need longer on a busy machine.
    await vi.waitFor(async () => expect((await fetch(`${frozen.ops}/readyz`)).status).toBe(200), PATIENCE);
    const next = await askAdmin(adminOf(asked), { method: 'POST', path: TOKENS, json: { id: 'thaw' } });
    expect(next.body).toMatchObject({ gates: 2, inForce: true });
    take(next);
    await stack.waitForGates(2);
    await expectAllAcknowledged();
  });
});
