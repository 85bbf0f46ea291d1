import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2 } from '../stack/client.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

/** Envoy checks one header that is none of its business, and no setting turns it off (envoyproxy/envoy#20989). */
let sandbox: Recorder;
let running: RunningEnvoy;
let gate: StubGate;
beforeAll(async () => {
  running = await startRunningEnvoy({}, patient);
  gate = await startStubGate(running.gateSocket);
  sandbox = await startRecorder();
  await running.envoy.waitForGate(PATIENCE_MS);
});
beforeEach(() => {
  sandbox.arrivals.length = 0;
  gate.answer = () => allow({ destination: `127.0.0.1:${sandbox.port}` });
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
  await sandbox?.close();
});

describe.each([
  ['HTTP/1.1', ask],
  ['HTTP/2', askHttp2],
] as const)('over %s a Referer', (_wire, send) => {
  const arrived = async (referer: string) => {
    await send(
      { host: '127.0.0.1', port: running.port },
      { host: '8080-abc.e2b.localhost', headers: { referer } },
    );
    return sandbox.arrivals[0]?.headers.referer;
  };

  it.each([
    'https://3000-abc.e2b.localhost:8443/a/[slug]?x={y}',
    'http://localhost:3000',
    'http://[::1]:3000/',
    '/a/path',
    'vscode-webview://abc/',
    'android-app://com.example/',
  ])('%s arrives', async (referer) => {
    expect(await arrived(referer)).toBe(referer);
  });

  it.each([
    'http://under_score.example/',
    'http://user:password@example.com/',
    'http://example.com/#fragment',
    'about:client',
  ])('%s is dropped', async (referer) => {
    expect(await arrived(referer)).toBeUndefined();
    expect(sandbox.arrivals).toHaveLength(1);
  });
});
