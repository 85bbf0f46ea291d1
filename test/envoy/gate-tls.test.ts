import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { validateBootstrap } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { type Authority, createAuthority, type Issued } from '../stack/authority.ts';
import { sandgate } from '../stack/command.ts';
import { sandgateInside } from '../stack/command-inside.ts';

let folder: string;
let authority: Authority;
let own: Issued;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-gate-tls-'));
  authority = await createAuthority(folder, 'ca');
  own = await authority.issue('envoy', ['envoy.example']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = (gate: string, ...more: string[]) =>
  sandgateInside(['envoy', 'config', '--gate', gate, ...more]);
const trust = (name = 'gate.example') => ['--gate-tls-ca', authority.ca, '--gate-tls-name', name];
const client = () => ['--gate-tls-certificate', own.certificate, '--gate-tls-key', own.key];

function tlsOf(text: string) {
  return parse(text).static_resources.clusters[1].transport_socket?.typed_config;
}

describe('`envoy config` for gates on other machines', () => {
  it('prints a config that Envoy accepts, with the gate’s name checked in addition to its CA', async () => {
    const gates = ['--gate', '10.0.0.5:9000,10.0.0.6:9000', ...trust(), ...client()];
    const { code, stdout } = await sandgate(['envoy', 'config', ...gates]);
    expect(code).toBe(0);
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, stdout);
    validateBootstrap(envoyBinary(), file);
    const { sni, common_tls_context } = tlsOf(stdout);
    expect(sni).toBe('gate.example');
    expect(common_tls_context).toMatchObject({
      alpn_protocols: ['h2'],
      tls_certificates: [
        { certificate_chain: { filename: own.certificate }, private_key: { filename: own.key } },
      ],
      validation_context: {
        trusted_ca: { filename: authority.ca },
        match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'gate.example' } }],
      },
    });
  });

  it('accepts an IP address as the name, and then sends no SNI', async () => {
    const tls = tlsOf((await config('10.0.0.5:9000', ...trust('10.0.0.5'), ...client())).stdout);
    expect(tls).not.toHaveProperty('sni');
    expect(tls.common_tls_context.validation_context.match_typed_subject_alt_names).toEqual([
      { san_type: 'IP_ADDRESS', matcher: { exact: '10.0.0.5' } },
    ]);
  });

  it('reads the same from secrets if it is written to a folder', async () => {
    const out = join(folder, 'out');
    const gates = ['--gate', '10.0.0.5:9000', ...trust(), ...client()];
    expect((await sandgateInside(['envoy', 'config', '--out', out, ...gates])).code).toBe(0);
    validateBootstrap(envoyBinary(), join(out, 'envoy.yaml'));
    const { sni, common_tls_context } = tlsOf(readFileSync(join(out, 'envoy.yaml'), 'utf8'));
    expect(sni).toBe('gate.example');
    const secret = (name: string) => ({
      name,
      sds_config: {
        path_config_source: { path: join(out, `sds-${name}.yaml`) },
        resource_api_version: 'V3',
      },
    });
    expect(common_tls_context).toMatchObject({
      tls_certificate_sds_secret_configs: [secret('gate-client')],
      combined_validation_context: {
        // Here, so that the secret cannot leave it out.
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'gate.example' } }],
        },
        validation_context_sds_secret_config: secret('gate-ca'),
      },
    });
  });

  it('changes nothing if no gate uses TLS', async () => {
    expect(tlsOf((await config('unix:/run/gate.sock,127.0.0.1:9000')).stdout)).toBeUndefined();
  });

  it.each<[string, string, () => string[], string]>([
    [
      'a gate on another machine without TLS',
      '10.0.0.5:9000',
      () => [],
      'is not on this machine: it requires',
    ],
    [
      'one without a client certificate',
      '10.0.0.5:9000',
      () => trust(),
      'is not on this machine: it requires',
    ],
    [
      'a CA without a name',
      '127.0.0.1:9000',
      () => ['--gate-tls-ca', authority.ca],
      'requires --gate-tls-name and vice versa',
    ],
    [
      'a certificate without its key',
      '127.0.0.1:9000',
      () => [...trust(), '--gate-tls-certificate', own.certificate],
      '--gate-tls-certificate requires --gate-tls-key and vice versa',
    ],
    ['a unix socket', 'unix:/run/gate.sock', () => [...trust(), ...client()], 'does not use TLS'],
  ])('refuses %s', async (_, gate, flags, why) => {
    const ran = await config(gate, ...flags());
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(why);
  });
});
