import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, askHttp2 } from '../stack/client.ts';
import { hostOf, publicSandbox, startTestStack, type TestStack } from '../stack/test-stack.ts';
import { closed } from './cases.ts';
import { headersOf, ownHeaders } from './wires.ts';

let stack: TestStack;
let listener: ChildProcess;
let port: number;
const queued: Socket[] = [];

const BACKLOG = 1;
/** Blocked in a read, it never accepts, and it ends with its standard input: with this process, at the latest. */
const LISTEN = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => {
    console.log(server.address().port);
    require('node:fs').readSync(0, Buffer.alloc(1));
    process.exit();
  });
`;

/** A listener whose backlog is full: Linux drops whatever else tries to connect. */
beforeAll(async () => {
  listener = spawn(process.execPath, ['-e', LISTEN], { stdio: ['pipe', 'pipe', 'inherit'] });
  port = Number((await once(listener.stdout!, 'data'))[0]);
  // The queue takes one more than its length.
  for (let n = 0; n <= BACKLOG; n++) {
    const socket = connect(port, '127.0.0.1');
    queued.push(socket);
    await once(socket, 'connect');
  }
  stack = await startTestStack();
  await stack.put(publicSandbox('abc'));
});

afterAll(async () => {
  await stack?.stop();
  for (const socket of queued) socket.destroy();
  listener?.stdin?.end();
});

const CONTRACT_MS = 20_000;

it(
  'an address that never answers is a closed port in under 20 s, and everybody else is served meanwhile',
  async () => {
    const asked = { host: hostOf(port, 'abc') };
    const silent = Promise.all([ask(stack.http, asked), askHttp2(stack.http, asked)]);
    expect((await ask(stack.http, { host: hostOf(port, 'nobody') })).status).toBe(502);
    const expected = closed('abc', port);
    for (const answered of await silent) {
      expect(answered).toMatchObject({ status: 502, body: expected.body });
      expect(ownHeaders(answered)).toEqual(headersOf(expected, asked));
    }
  },
  CONTRACT_MS,
);
