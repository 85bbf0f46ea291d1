import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { connectAdmin } from '../../src/envoy/admin.ts';
import { type BootstrapSettings, loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { startEnvoy } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { startStubGate } from './stub-gate.ts';

let folder: string;
let source: string;
let tls: { certificate: string; key: string };
const inFolder = (name: string) => join(folder, name);
const anyPort = { host: '127.0.0.1', port: 0 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-process-'));
  source = await loadBundledConfig();
  tls = await ensureCertificates(inFolder('tls'), ['e2b.localhost'], Date.now, () => {});
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(settings: Partial<BootstrapSettings> = {}, over: { binary?: string; config?: string } = {}) {
  const config = renderBootstrap(over.config ?? source, {
    http: [anyPort],
    https: [],
    tls,
    gates: [{ path: inFolder('gate.sock') }],
    admin: { path: inFolder('admin.sock') },
    ...settings,
  });
  writeFileSync(inFolder('envoy.yaml'), config);
  return startEnvoy({
    binary: over.binary ?? envoyBinary(),
    configFile: inFolder('envoy.yaml'),
    adminSocket: settings.admin?.path ?? inFolder('admin.sock'),
    log: inFolder('envoy.log'),
    accessLog: inFolder('access.log'),
    concurrency: 1,
  });
}

describe('a started Envoy', () => {
  it('reports the ports of every address of both listeners', async () => {
    const envoy = await start({ http: [anyPort, anyPort], https: [anyPort, { host: '127.0.0.2', port: 0 }] });
    try {
      const { http, https } = envoy.addresses;
      expect(http.map(({ host }) => host)).toEqual(['127.0.0.1', '127.0.0.1']);
      expect(https.map(({ host }) => host)).toEqual(['127.0.0.1', '127.0.0.2']);
      const ports = [...http, ...https].map(({ port }) => port);
      expect(new Set(ports).size).toBe(4);
      expect(Math.min(...ports)).toBeGreaterThan(0);
      expect(await envoy.admin.isLive()).toBe(true);
    } finally {
      await envoy.stop(2000);
    }
    await expect(connectAdmin(inFolder('admin.sock')).isLive()).rejects.toThrow();
  });

  it('counts a gate once its health check passes', async () => {
    const envoy = await start();
    try {
      expect(await envoy.admin.healthyGates()).toBe(0);
      await expect(envoy.waitForGate(0)).rejects.toMatchObject({
        code: 'ENVOY_FAILED',
        message: 'Envoy saw no healthy gate',
      });
      const gate = await startStubGate(inFolder('gate.sock'));
      await envoy.waitForGate(PATIENCE_MS);
      expect(await envoy.admin.healthyGates()).toBe(1);
      gate.close();
    } finally {
      await envoy.stop(2000);
    }
  });

  it("leads its own process group, so that a terminal's Ctrl-C does not reach it", async () => {
    const envoy = await start();
    try {
      // Throws ESRCH if no group has that id.
      expect(process.kill(-envoy.pid, 0)).toBe(true);
    } finally {
      await envoy.stop(2000);
    }
  });

  it('is stopped by SIGTERM, or by SIGKILL if that fails', async () => {
    const willing = await start();
    await willing.stop(PATIENCE_MS);
    expect(await willing.exited).toEqual({ code: 0, signal: null });

    const frozen = await start();
    process.kill(frozen.pid, 'SIGSTOP');
    await frozen.stop(0);
    expect(await frozen.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('keeps the log of the run before', async () => {
    writeFileSync(inFolder('envoy.log'), 'what the last one said\n');
    const envoy = await start();
    await envoy.stop(2000);
    expect(readFileSync(inFolder('envoy.log'), 'utf8')).toContain('what the last one said\n');
  });
});

describe('an Envoy that does not start', () => {
  it('names the address that is in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    try {
      await expect(start({ http: [{ host: '127.0.0.1', port }] })).rejects.toMatchObject({
        code: 'ADDRESS_IN_USE',
        message: `Envoy cannot listen on 127.0.0.1:${port}: the address is in use`,
        remedy: expect.stringMatching(/SANDGATE_HTTP.*SANDGATE_OPS/),
      });
    } finally {
      other.close();
    }
  });

  it('does not share the port of another Envoy', async () => {
    const first = await start();
    try {
      const admin = { path: inFolder('second.sock') };
      await expect(start({ http: first.addresses.http, admin })).rejects.toMatchObject({
        code: 'ADDRESS_IN_USE',
      });
    } finally {
      await first.stop(2000);
    }
  });

  it("gives Envoy's own reason for rejecting a config", async () => {
    const config = source.replace('failure_mode_allow:', 'failure_mode_alow:');
    await expect(start({}, { config })).rejects.toMatchObject({
      code: 'ENVOY_FAILED',
      message: expect.stringMatching(
        /^Envoy exited before it was ready: .*no such field: 'failure_mode_alow'/,
      ),
      remedy: `see ${inFolder('envoy.log')}`,
    });
  });

  it.each([
    ['does not exist', undefined],
    ['exits at once', '#!/bin/sh\nexit 3\n'],
  ])('reports that the binary %s', async (_, script) => {
    const binary = inFolder('binary');
    rmSync(binary, { force: true });
    rmSync(inFolder('envoy.log'), { force: true });
    if (script !== undefined) {
      writeFileSync(binary, script);
      chmodSync(binary, 0o755);
    }
    await expect(start({}, { binary })).rejects.toMatchObject({
      code: 'ENVOY_FAILED',
      message: `${binary} exited at once without a message`,
    });
  });
});
