import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  checkEnvoy,
  checkEnvoyConfig,
  checkFileLimit,
  checkNode,
  checkPython,
} from '../../src/doctor/programs.ts';
import { checkPaths } from '../../src/doctor/state-folder.ts';
import { findInstalledEnvoy } from '../../src/envoy/binary.ts';
import { findPython } from '../../src/envoy/pip.ts';
import { envoyBinary } from '../envoy-binary.ts';

const nowhere = {
  searchPath: '',
  cacheDir: '/nowhere',
  platform: 'linux',
  arch: 'x64',
  onProgress: () => {},
};

it.each([
  ['20.19.0', 'ok'],
  ['21.0.0', 'ok'],
  ['20.18.9', 'fail'],
  ['18.20.0', 'fail'],
])('Node.js %s is %s if 20.19 is required', (version, level) => {
  expect(checkNode(version, '>=20.19').level).toBe(level);
});

it('Envoy: found, not installed yet, or named but unusable', async () => {
  const named = (path: string) => checkEnvoy(() => findInstalledEnvoy({ ...nowhere, named: path }));
  expect((await named(envoyBinary())).finding).toMatchObject({
    level: 'ok',
    found: expect.stringMatching(/^1\.\d+\.\d+, named by SANDGATE_ENVOY/),
  });
  expect((await named('/nowhere/envoy')).finding).toMatchObject({
    level: 'fail',
    found: expect.stringContaining('ENVOY_MISSING'),
  });
  expect(await checkEnvoy(() => findInstalledEnvoy(nowhere))).toMatchObject({
    finding: { level: 'warn' },
    binary: undefined,
  });
});

it('too few files for the heap of Envoy is a warning with the number that is needed', () => {
  expect(checkFileLimit(1024, 4096)).toMatchObject({
    level: 'warn',
    found: 'ulimit -n is 4096: Envoy takes 1792 connections, fewer than its heap of 1024 MiB allows',
    remedy: expect.stringContaining('raise the hard limit to 262656'),
  });
  expect(checkFileLimit(1024, 262_656)).toMatchObject({ level: 'ok' });
  expect(checkFileLimit(1024, Number.POSITIVE_INFINITY)).toMatchObject({
    level: 'ok',
    found: 'ulimit -n is unlimited: Envoy takes 131072 connections',
  });
});

it('Python matters only while there is no Envoy', async () => {
  const find = () => findPython('');
  expect(await checkPython(find, true)).toMatchObject({ level: 'warn', remedy: expect.any(String) });
  expect(await checkPython(find, false)).toMatchObject({ level: 'ok' });
  expect(await checkPython(async () => ({}), true)).toMatchObject({ level: 'ok' });
});

it('the real Envoy validates the config, and its reason is shown', async () => {
  const check = (http: { host: string; port: number }[], https = http) =>
    checkEnvoyConfig({
      binary: envoyBinary(),
      temporary: tmpdir(),
      settings: async (folder) => ({
        http,
        https,
        tls: { certificate: join(folder, 'none.pem'), key: join(folder, 'none.key') },
        gates: [{ path: join(folder, 'gate.sock') }],
        admin: { path: join(folder, 'admin.sock') },
      }),
    });
  const any = [{ host: '127.0.0.1', port: 0 }];
  expect(await check(any, [])).toMatchObject({ level: 'ok' });
  expect(await check(any)).toMatchObject({ level: 'fail', found: expect.stringContaining('none.key') });
});

it('a named path must exist, be of the right kind, and be usable', () => {
  const levelOf = (path: string, kind: 'program' | 'folder' | 'file') =>
    checkPaths([{ setting: 'SANDGATE_X', path, kind }])[0]!.level;
  expect(levelOf(tmpdir(), 'folder')).toBe('ok');
  expect(levelOf(process.execPath, 'program')).toBe('ok');
  expect(levelOf(process.execPath, 'folder')).toBe('fail');
  expect(levelOf(tmpdir(), 'program')).toBe('fail');
  expect(levelOf('/nowhere', 'file')).toBe('fail');
});
