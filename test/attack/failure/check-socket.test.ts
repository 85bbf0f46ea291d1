import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { credentials, makeGenericClientConstructor, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDefinition } from '../../../src/server/check-server.ts';
import { ask } from '../../stack/client.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../../stack/test-stack.ts';

let stack: TestStack;
let up: Recorder;
beforeAll(async () => {
  stack = await startTestStack();
  up = await startRecorder();
  await stack.put(restricted('abc'));
});
afterAll(async () => {
  await up?.close();
  await stack?.stop();
});

async function expectWell(): Promise<void> {
  const answered = await ask(stack.http, {
    host: hostOf(up.port, 'abc'),
    headers: { 'e2b-traffic-access-token': TOKEN },
  });
  expect(answered.status).toBe(200);
}

function check(bytes: Buffer): Promise<{ code: number; bytes?: Buffer }> {
  const Client = makeGenericClientConstructor(checkDefinition, 'Authorization');
  const client = new Client(stack.gate.check, credentials.createInsecure());
  return new Promise((resolve) => {
    const call = client.Check as (
      request: Buffer,
      done: (error: ServiceError | null, answer?: Buffer) => void,
    ) => unknown;
    call.call(client, bytes, (error, answer) => {
      client.close();
      resolve(error ? { code: error.code } : { code: status.OK, bytes: answer! });
    });
  });
}

describe('E5: the Check socket', () => {
  it.each([
    ['random bytes', randomBytes(512)],
    ['nothing', Buffer.alloc(0)],
    ['a truncated message', Buffer.from('0aff', 'hex')],
    ['a length of 2 GiB', Buffer.from('0affffffff07', 'hex')],
    ['deep nesting of groups', Buffer.alloc(100_000, 0x0b)],
    ['more than 1 MiB', Buffer.alloc(2 * 1024 * 1024)],
  ])('answers %s with an error and lives', async (_name, bytes) => {
    const answered = await check(bytes);
    expect([status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED]).toContain(answered.code);
    await expectWell();
  });

  it('survives a thousand connections of garbage with flat memory', async () => {
    const path = stack.gate.check.slice('unix:'.length);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const socket = connect(path);
          socket.on('error', () => {});
          socket.end(randomBytes(4096));
          socket.resume();
          await new Promise((resolve) => socket.once('close', resolve));
        }),
      );
    }
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
    console.log(`RSS grew by ${grown.toFixed(1)} MiB`);
    expect(grown).toBeLessThan(100);
    await expectWell();
  });
});

describe('E4: the token header', () => {
  const good = TOKEN;
  it.each([
    ['good and bad', [good, 'bad']],
    ['bad and good', ['bad', good]],
    ['good twice', [good, good]],
    ['comma-joined', `${good},${good}`],
    ['empty', ''],
    ['40 KB long', 'a'.repeat(40_000)],
    ['not ASCII', '\xff\xfe'],
  ] as const)('%s is 403 and never arrives', async (_name, value) => {
    const before = up.arrivals.length;
    const headers = { 'e2b-traffic-access-token': value as string | string[] };
    expect((await ask(stack.http, { host: hostOf(up.port, 'abc'), headers })).status).toBe(403);
    expect(up.arrivals.length).toBe(before);
    await expectWell();
  });
});
