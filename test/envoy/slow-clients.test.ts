import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

/** More than the kernel holds for a client that does not read, less than Envoy may hold below. */
const SIZE = 8 << 20;

let sandbox: Server;
let running: RunningEnvoy;
let gate: StubGate;
beforeAll(async () => {
  // Envoy has the whole answer while the client pauses, whatever the kernel holds of it.
  running = await startRunningEnvoy({}, (config) =>
    patient(config).replaceAll(
      'per_connection_buffer_limit_bytes: 32768',
      'per_connection_buffer_limit_bytes: 16777216',
    ),
  );
  gate = await startStubGate(running.gateSocket);
  sandbox = createServer((_request, response) => response.end(Buffer.alloc(SIZE)));
  sandbox.listen(0, '127.0.0.1');
  await once(sandbox, 'listening');
  gate.answer = () => allow({ destination: `127.0.0.1:${(sandbox.address() as AddressInfo).port}` });
  await running.envoy.waitForGate(PATIENCE_MS);
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
  sandbox?.close();
});

const asks = (): Socket => {
  const client = connect(running.port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: 8080-abc.e2b.localhost\r\nConnection: close\r\n\r\n');
  return client;
};

it('a client that closes the connection after the answer, and pauses before it has read it, gets all of it', async () => {
  const client = asks();
  // It reads nothing for longer than Envoy's default grace of a second (projectcontour/contour#3285).
  await once(client, 'readable');
  await pause(2500);
  let length = 0;
  client.on('data', (part: Buffer) => {
    length += part.length;
  });
  await once(client, 'close');
  expect(length).toBeGreaterThan(SIZE);
});

it('a client that closes its sending side before the answer does not get all of it: Envoy takes it for one that left', async () => {
  const client = asks();
  client.end();
  client.resume();
  await once(client, 'close');
  expect(client.bytesRead).toBeLessThan(SIZE);
});
