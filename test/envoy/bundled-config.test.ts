import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { validateBootstrap } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';

let folder: string;
let source: string;
let tls: { certificate: string; key: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-config-'));
  source = await loadBundledConfig();
  tls = await ensureCertificates(join(folder, 'tls'), ['e2b.localhost'], Date.now, () => {});
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function validate(config: string): void {
  const file = join(folder, 'envoy.yaml');
  writeFileSync(file, config);
  validateBootstrap(envoyBinary(), file);
}

const local = (...ports: number[]) => ports.map((port) => ({ host: '127.0.0.1', port }));
const gates = [{ path: '/tmp/gate.sock' }, { host: '::1', port: 9001 }];
const admin = { path: '/tmp/admin.sock' };

describe('the bundled config', () => {
  it('is accepted by Envoy once its certificate exists', () => {
    validate(source.replace('/etc/envoy/tls.crt', tls.certificate).replace('/etc/envoy/tls.key', tls.key));
  });

  it.each([
    ['both listeners', local(3002), local(8443)],
    ['only a plain listener', local(3002), []],
    ['only a TLS listener', [], local(8443)],
    ['several addresses', [...local(3002), { host: '::1', port: 3002 }], [...local(8443, 8444)]],
  ])('is accepted when rendered with %s', (_, http, https) => {
    validate(renderBootstrap(source, { http, https, tls, gates, admin }));
  });

  it('is refused with the reason and the position if it is wrong', () => {
    const wrong = source.replace('failure_mode_allow:', 'failure_mode_alow:');
    expect(() => validate(renderBootstrap(wrong, { http: local(0), https: [], gates, admin }))).toThrow(
      /listeners\[0\].*no such field: 'failure_mode_alow'/,
    );
  });
});

describe('a rendered config', () => {
  const render = (https = local(8443)) =>
    renderBootstrap(source, {
      http: [...local(3002), { host: '::1', port: 3003 }],
      https,
      tls,
      gates,
      admin,
    });

  it('differs from the source only in addresses', () => {
    const placeless = (text: string) => {
      const config = parse(text);
      delete config.admin.address;
      for (const listener of config.static_resources.listeners) {
        delete listener.address;
        delete listener.additional_addresses;
        delete listener.filter_chains[0].transport_socket?.typed_config.common_tls_context.tls_certificates;
      }
      for (const cluster of config.static_resources.clusters) delete cluster.load_assignment;
      return config;
    };
    expect(placeless(render())).toEqual(placeless(source));
  });

  it('has each address in the field that Envoy reads', () => {
    const { admin: adminPart, static_resources: parts } = parse(render());
    expect(adminPart.address).toEqual({ pipe: { path: '/tmp/admin.sock', mode: 0o600 } });
    const [http] = parts.listeners;
    expect(http.address).toEqual({ socket_address: { address: '127.0.0.1', port_value: 3002 } });
    expect(http.additional_addresses).toEqual([
      { address: { socket_address: { address: '::1', port_value: 3003 } } },
    ]);
    const [, gate] = parts.clusters;
    expect(gate.load_assignment.endpoints[0].lb_endpoints).toEqual([
      { endpoint: { address: { pipe: { path: '/tmp/gate.sock' } } } },
      { endpoint: { address: { socket_address: { address: '::1', port_value: 9001 } } } },
    ]);
  });

  it('keeps the comments and every line of the pages', () => {
    const rendered = render();
    for (const line of source.split('\n').filter((text) => /^\s*(#|<html|\.|dl\{)/.test(text))) {
      expect(rendered).toContain(line.trim());
    }
  });

  it('runs the same filters on both listeners, and on the TLS one if it is the only one', () => {
    const filters = (text: string) =>
      parse(text).static_resources.listeners.map(
        (listener: { filter_chains: { filters: unknown }[] }) => listener.filter_chains[0]!.filters,
      );
    const [plain, secure] = filters(render());
    expect(secure).toEqual(plain);
    expect(filters(renderBootstrap(source, { http: [], https: local(0), tls, gates, admin }))).toEqual([
      plain,
    ]);
  });
});

describe('the settings that protect the sandboxes', () => {
  const connection = () =>
    parse(source).static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
  const authorization = () => connection().http_filters[0].typed_config;

  it('deny access if there is no gate', () => {
    expect(authorization()).toMatchObject({
      failure_mode_allow: false,
      status_on_error: { code: 'ServiceUnavailable' },
    });
    expect(authorization()).not.toHaveProperty('filter_enabled');
    expect(connection().http_filters[0]).not.toHaveProperty('disabled');
  });

  it('check every route with the gate first', () => {
    expect(connection().http_filters[0].name).toBe('envoy.filters.http.ext_authz');
    expect(JSON.stringify(connection().route_config)).not.toContain('typed_per_filter_config');
  });

  it('take the destination only from the gate', () => {
    const [sandbox] = parse(source).static_resources.clusters;
    expect(sandbox.original_dst_lb_config).toEqual({
      metadata_key: { key: 'envoy.filters.http.ext_authz', path: [{ key: 'destination' }] },
    });
  });

  it('let an allow change only what the gate needs', () => {
    const { disallow_all, disallow_is_error, allow_expression } =
      authorization().decoder_header_mutation_rules;
    expect({ disallow_all, disallow_is_error }).toEqual({ disallow_all: true, disallow_is_error: true });
    const allowed = new RegExp(allow_expression.regex);
    for (const name of [
      'host',
      'x-forwarded-host',
      'e2b-traffic-access-token',
      'e2b-sandbox-id',
      'e2b-sandbox-port',
      'x-envoy-upstream-stream-duration-ms',
      'x-sandgate-node-proxy-key',
    ]) {
      expect(name).toMatch(allowed);
    }
    for (const name of [
      ...['authorization', 'cookie', ':path', ':method', 'e2b-sandbox-ids', 'x-forwarded-for', 'x-hosts'],
      ...['x-envoy-original-dst-host', 'x-envoy-upstream-rq-timeout-ms', 'ax-sandgate-key'],
    ]) {
      expect(name).not.toMatch(allowed);
    }
  });

  it('keep path, Host and credentials out of the access log', () => {
    const format = JSON.stringify(connection().access_log);
    expect(format).not.toMatch(/PATH|AUTHORITY|HOST\)|TOKEN|COOKIE|AUTHORIZATION|REFERER|ORIGIN/i);
  });
});
