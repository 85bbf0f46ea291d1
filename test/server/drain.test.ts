import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { type CheckServer, startCheckServer } from '../../src/server/check-server.ts';
import { drain } from '../../src/server/drain.ts';
import { PATIENCE_MS } from '../stack/patience.ts';

let folder: string;
let server: CheckServer;
let client: Client;
const forced = new AbortController();
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-drain-'));
  // A handler that never answers.
  const never = () => new Promise<Buffer>(() => {});
  server = await startCheckServer({ path: join(folder, 'check', 'gate.sock'), access: 'group' }, never);
});
afterEach(() => {
  client.close();
  rmSync(folder, { recursive: true });
});

function watch(service: string) {
  const loaded = loadSync('grpc/health/v1/health.proto', {
    includeDirs: [`${PACKAGE_ROOT}proto`],
    enums: String,
  });
  const { grpc } = loadPackageDefinition(loaded) as unknown as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  };
  const health = new grpc.health.v1.Health(server.address, credentials.createInsecure());
  client = health;
  const call = health.Watch!({ service });
  const seen: string[] = [];
  call.on('data', ({ status }: { status: string }) => seen.push(status));
  call.on('error', () => {});
  const ended = new Promise<string[]>((resolve) =>
    call.on('close', () => resolve(seen)).on('end', () => resolve(seen)),
  );
  return { ended, first: new Promise<void>((resolve) => call.once('data', () => resolve())) };
}

describe('a gate that drains', () => {
  it.each(['', 'nope'])('is not kept open by a health watch of %j', async (service) => {
    const watching = watch(service);
    await watching.first;
    await drain(server, 0, new AbortController().signal);
    expect(await watching.ended).toEqual(service === '' ? ['SERVING', 'NOT_SERVING'] : ['SERVICE_UNKNOWN']);
  });

  it('closes at once when it is forced, even if a call is open', async () => {
    client = new Client(server.address, credentials.createInsecure());
    const raw = (bytes: Buffer) => bytes;
    const answered = new Promise<Error | null>((resolve) => {
      const path = '/envoy.service.auth.v3.Authorization/Check';
      client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), (error) => resolve(error));
    });
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + PATIENCE_MS, (error) => (error ? reject(error) : resolve())),
    );
    const left = drain(server, 60_000, forced.signal);
    forced.abort();
    await left;
    expect(await answered).not.toBeNull();
  });
});
