import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { validateBootstrap } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { createAuthority } from '../stack/authority.ts';
import { sandgate } from '../stack/command.ts';
import { sandgateInside } from '../stack/command-inside.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-out-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => sandgate(['envoy', 'config', ...args], { cwd: folder });
const inside = (...names: string[]) => join(folder, ...names);
const read = (...names: string[]) => parse(readFileSync(inside(...names), 'utf8'), { maxAliasCount: -1 });
const HTTPS = ['--https', '0.0.0.0:8443', '--tls-certificate', 'tls.crt', '--tls-key', 'tls.key'];

describe('sandgate envoy config --out', () => {
  it('writes files that Envoy accepts from any folder, and says which', async () => {
    const ran = await run(
      '--out',
      'etc/envoy',
      '--gate',
      'unix:run/gate.sock',
      '--admin',
      'admin.sock',
      ...HTTPS,
    );
    const out = inside('etc', 'envoy');
    expect(ran).toMatchObject({
      code: 0,
      stdout: `wrote to ${out}: sds-ingress.yaml, envoy.yaml\n`,
      stderr: '',
    });
    expect(readdirSync(out).sort()).toEqual(['envoy.yaml', 'sds-ingress.yaml']);
    for (const name of readdirSync(out)) expect(statSync(join(out, name)).mode & 0o777).toBe(0o644);
    // This process runs in another folder.
    validateBootstrap(envoyBinary(), join(out, 'envoy.yaml'));
    const config = JSON.stringify(read('etc', 'envoy', 'envoy.yaml'));
    for (const path of [join(out, 'sds-ingress.yaml'), inside('run', 'gate.sock'), inside('admin.sock')])
      expect(config).toContain(`"${path}"`);
    expect(read('etc', 'envoy', 'sds-ingress.yaml').resources).toEqual([
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: 'ingress',
        tls_certificate: {
          certificate_chain: { filename: inside('tls.crt') },
          private_key: { filename: inside('tls.key') },
          watched_directory: { path: folder },
        },
      },
    ]);
  });

  it('watches the folder of each file if they are in two', async () => {
    await run(
      '--out',
      '.',
      '--https',
      '0.0.0.0:8443',
      '--tls-certificate',
      'certs/a',
      '--tls-key',
      'private/a',
    );
    expect(read('sds-ingress.yaml').resources[0].tls_certificate).toEqual({
      certificate_chain: { filename: inside('certs', 'a') },
      private_key: { filename: inside('private', 'a') },
    });
  });

  it('writes no secret, and no name of the node, if there is no TLS', async () => {
    expect((await run('--out', '.')).stdout).toBe(`wrote to ${folder}: envoy.yaml\n`);
    expect(read('envoy.yaml')).not.toHaveProperty('node');
  });

  it('--mounted-at: names the paths that Envoy sees', async () => {
    const { certificate, key } = await (await createAuthority(folder, 'ca')).issue('tls', ['a.example']);
    const tls = ['--https', '0.0.0.0:8443', '--tls-certificate', certificate, '--tls-key', key];
    expect((await run('--out', 'here', '--mounted-at', '/etc/envoy', ...tls)).code).toBe(0);
    expect(JSON.stringify(read('here', 'envoy.yaml'))).toContain('"/etc/envoy/sds-ingress.yaml"');
    expect(JSON.stringify(read('here', 'envoy.yaml'))).not.toContain(folder);
  });

  it.each<[string[], string]>([
    [['--mounted-at', '/etc/envoy'], '--mounted-at requires --out'],
    [['--out', 'x', '--snippet', 'istio'], '--snippet prints only: leave out --out'],
    [
      ['--out', 'x', '--mounted-at', 'etc'],
      '--mounted-at: expected an absolute path, as Envoy sees it (--mounted-at), got "etc"',
    ],
    [
      ['--out', 'x', '--mounted-at', '/etc/envoy', ...HTTPS],
      '--tls-certificate: expected an absolute path, as Envoy sees it (--mounted-at), got "tls.crt"',
    ],
    [
      ['--out', 'x', '--mounted-at', '/etc/envoy', '--gate', 'unix:gate.sock'],
      '--gate: expected an absolute path, as Envoy sees it (--mounted-at), got "gate.sock"',
    ],
  ])('refuses %j, and writes nothing', async (args, message) => {
    const inFolder = args.map((arg) => (arg === 'x' ? inside('x') : arg));
    expect(await sandgateInside(['envoy', 'config', ...inFolder])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `sandgate: ${message} [SETTINGS_INVALID]\n`,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says why a folder cannot be written', async () => {
    const ran = await sandgateInside(['envoy', 'config', '--out', '/proc/none']);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/cannot write to \/proc\/none: .* \[STATE_UNUSABLE\]/);
  });
});

it('without --out, paths are printed as they were typed, and the config says when they are read', async () => {
  const { stdout } = await run(...HTTPS);
  expect(stdout).toContain(
    '# Read only when Envoy starts. With `sandgate envoy config --out`, it follows renewed files.',
  );
  expect(stdout).toContain('{ filename: tls.crt }');
  expect(stdout).not.toContain('sds');
});
