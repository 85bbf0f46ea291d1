import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningEnvoy, startRunningEnvoy } from '../../envoy/running-envoy.ts';
import { allow, type StubGate, startStubGate } from '../../envoy/stub-gate.ts';
import { openWebSocket } from '../../stack/client.ts';
import { eventually } from '../../stack/eventually.ts';
import { PATIENCE_MS } from '../../stack/patience.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { loopback } from '../scene.ts';

const BUNDLED = /cleanup_interval: 5s/g;

let running: RunningEnvoy;
let gate: StubGate;
let sandbox: Recorder;
beforeAll(async () => {
  sandbox = await startRecorder(0, '0.0.0.0');
  running = await startRunningEnvoy({}, (config) => {
    // Each new destination makes Envoy's main thread copy the list of all. With 30 s, a sweep of many sandboxes left 20,000
    // in it, and that thread, which answers probes and checks the gates, was busy for minutes.
    expect(config.match(BUNDLED)).toHaveLength(4);
    return config.replace(BUNDLED, 'cleanup_interval: 0.1s');
  });
  gate = await startStubGate(running.gateSocket);
  await running.envoy.waitForGate(PATIENCE_MS);
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
  await sandbox?.close();
});

it('B13: Envoy forgets a destination that is not asked for, and keeps the stream of one that it forgot', async () => {
  let count = 0;
  gate.answer = () => allow({ destination: `${loopback(count++)}:${sandbox.port}` });
  const opened = await openWebSocket(
    { host: '127.0.0.1', port: running.port },
    { host: '8080-abc.e2b.localhost' },
  );
  if (!('socket' in opened)) throw new Error(`no WebSocket: ${opened.status}`);
  const { socket } = opened;
  for (let asked = 0; asked < 10; asked++) expect((await running.get()).status).toBe(200);
  await eventually(async () => expect(await running.stat('cluster.sandbox.membership_total')).toBe(0));
  const echoed = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))));
  socket.send('still here');
  expect(await echoed).toBe('still here');
  socket.terminate();
});
