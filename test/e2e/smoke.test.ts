import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, askHttp2, askRaw, openWebSocket } from '../stack/client.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../stack/test-stack.ts';

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
it('works', async () => {
  const host = hostOf(up.port, 'abc');
  expect((await ask(stack.http, { host })).status).toBe(403);
  const ok = await ask(stack.http, { host, headers: { 'e2b-traffic-access-token': TOKEN } });
  expect(ok.status).toBe(200);
  console.log(up.arrivals);
  expect((await askHttp2(stack.http, { host, headers: { 'e2b-traffic-access-token': TOKEN } })).status).toBe(
    200,
  );
  const ws = await openWebSocket(stack.http, { host, headers: { 'e2b-traffic-access-token': TOKEN } });
  expect('socket' in ws).toBe(true);
  if ('socket' in ws) {
    ws.socket.send('hi');
    console.log(await new Promise((r) => ws.socket.once('message', (m) => r(String(m)))));
    ws.socket.terminate();
  }
  console.log(
    await ask(stack.http, { host: '1-abc.e2b.localhost', headers: { 'e2b-traffic-access-token': TOKEN } }),
  );
  console.log(await askRaw(stack.http, 'GET / HTTP/1.1\r\n\r\n'));
});
