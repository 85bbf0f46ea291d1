import { once } from 'node:events';
import { connect, createServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { replaceStreams } from '../../src/server/session-streams.ts';
import { PATIENCE_MS } from '../stack/patience.ts';

const patiently = { timeout: PATIENCE_MS, interval: 5 };
const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

test('a session of this Node goes on with it: requests, a reset, and the end of the session', async () => {
  const server = createServer();
  undo.push(() => server.close());
  const sessions: Http2Session[] = [];
  const closed: number[] = [];
  server.on('stream', (stream) => {
    if (sessions.length === 0) expect(replaceStreams(stream.session!)).toBe(true);
    sessions.push(stream.session!);
    stream.on('close', () => closed.push(stream.id!));
    stream.on('error', () => {});
    if (stream.id !== 7) stream.respond({ ':status': 200 }, { endStream: stream.id !== 5 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  undo.push(() => client.destroy());
  client.on('error', () => {});

  for (const wanted of [1, 3]) {
    const request = client.request({ ':path': '/' });
    request.resume();
    await once(request, 'close');
    expect(request.id).toBe(wanted);
  }
  const reset = client.request({ ':path': '/' });
  await once(reset, 'response');
  reset.close(8);
  await once(reset, 'close');
  const hanging = client.request({ ':path': '/' });
  hanging.on('error', () => {});
  await expect.poll(() => sessions.length, patiently).toBe(4);
  // The session ends what is open, which it finds in the replaced streams.
  sessions[0]!.destroy();
  await expect.poll(() => closed, patiently).toEqual([1, 3, 5, 7]);
});

test('a session that looks otherwise is left alone', () => {
  for (const session of [{}, { [Symbol('state')]: {} }, { [Symbol('state')]: { streams: [] } }]) {
    expect(replaceStreams(session as unknown as Http2Session)).toBe(false);
  }
});
