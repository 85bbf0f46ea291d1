import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { capacityOf, DEFAULT_MAX_HEAP_MIB, fileLimit, filesFor } from '../../src/envoy/capacity.ts';
import { validateBootstrap } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { sandgateInside } from '../stack/command-inside.ts';

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
      parse(text)
        .static_resources.listeners.filter(({ address }: { address?: unknown }) => address)
        .map((listener: { filter_chains: { filters: unknown }[] }) => listener.filter_chains[0]!.filters);
    const [plain, secure] = filters(render());
    expect(secure).toEqual(plain);
    expect(filters(renderBootstrap(source, { http: [], https: local(0), tls, gates, admin }))).toEqual([
      plain,
    ]);
  });
});

describe('the capacity', () => {
  const limits = (text: string) => {
    const [heap, connections] = parse(text).overload_manager.resource_monitors;
    return {
      maxHeapBytes: heap.typed_config.max_heap_size_bytes,
      maxConnections: connections.typed_config.max_active_downstream_connections,
    };
  };

  it('of the bundled config is that of the default heap', () => {
    expect(limits(source)).toEqual(capacityOf(DEFAULT_MAX_HEAP_MIB));
  });

  it('and the idle timeout end up where Envoy reads them', () => {
    const capacity = { maxHeapBytes: 300_000_000, maxConnections: 7 };
    const at = { http: [], https: local(0), tls, gates, admin };
    const rendered = renderBootstrap(source, { ...at, capacity, idleTimeoutSeconds: 620 });
    validate(rendered);
    expect(limits(rendered)).toEqual(capacity);
    const [{ typed_config: manager }] =
      parse(rendered).static_resources.listeners[0].filter_chains[0].filters;
    expect(manager.common_http_protocol_options.idle_timeout).toBe('620s');
  });

  it.each([
    [1024, Number.POSITIVE_INFINITY, 131_072],
    [256, Number.POSITIVE_INFINITY, 32_768],
    [1024, 262_656, 131_072],
    [1024, 262_654, 131_071],
    [1024, 1024, 256],
    [1024, 64, 1],
  ])('of %i MiB with %i files is %i connections', (mib, files, connections) => {
    expect(capacityOf(mib, files).maxConnections).toBe(connections);
  });

  it('needs as many files as it says', () => {
    for (const mib of [256, 1024, 4096]) expect(capacityOf(mib, filesFor(mib))).toEqual(capacityOf(mib));
  });

  it('knows how many files a program may open that is started here', () => {
    expect(fileLimit()).toBeGreaterThan(100);
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
    const clusters = parse(source).static_resources.clusters.filter(
      ({ type }: { type: string }) => type === 'ORIGINAL_DST',
    );
    const chosen = { metadata_key: { key: 'envoy.filters.http.ext_authz', path: [{ key: 'destination' }] } };
    for (const { name, original_dst_lb_config } of clusters) {
      // This one gets the same destination by way of the internal listener's filter state.
      expect(original_dst_lb_config, name).toEqual(name === 'sandbox_tcp' ? undefined : chosen);
    }
    expect(clusters.length).toBeGreaterThan(2);
    const names = clusters.map(({ name }: { name: string }) => name);
    // Every route leads to one of them, or to an answer of Envoy.
    for (const { route, direct_response } of connection().route_config.virtual_hosts[0].routes) {
      if (direct_response !== undefined) continue;
      const groups = route.inline_cluster_specifier_plugin?.extension.typed_config.priority_groups;
      const targets = groups?.map(
        (group: { clusters: { cluster_name: string }[] }) => group.clusters[0]!.cluster_name,
      );
      for (const target of targets ?? [route.cluster]) expect([...names, 'sandbox_wait']).toContain(target);
    }
  });

  it('remove x-sandgate-* from the answers of every sandbox', () => {
    for (const { name, typed_extension_protocol_options } of parse(source).static_resources.clusters) {
      if (!name.startsWith('sandbox') || name === 'sandbox_tcp') continue;
      const [options] = Object.values(typed_extension_protocol_options) as { http_filters: object[] }[];
      expect([name, JSON.stringify(options!.http_filters[0])]).toEqual([
        name,
        expect.stringContaining('{"remove_on_match":{"key_matcher":{"prefix":"x-sandgate-"}}}'),
      ]);
    }
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

describe('sandgate envoy config', () => {
  const run = (...args: string[]) => sandgateInside(['envoy', 'config', ...args]);

  it('sets the heap, and as many connections as it allows', async () => {
    const { stdout } = await run('--max-heap', '512', '--idle-timeout', '620');
    const [heap, connections] = parse(stdout).overload_manager.resource_monitors;
    expect(heap.typed_config.max_heap_size_bytes).toBe(512 * 1_048_576);
    expect(connections.typed_config.max_active_downstream_connections).toBe(65_536);
    expect(stdout).toContain('idle_timeout: 620s');
    expect((await run('--max-connections', '9')).stdout).toContain('max_active_downstream_connections: 9\n');
  });

  it.each([
    ['--max-heap', '255', '256 to 65536'],
    ['--max-heap', '1GiB', '256 to 65536'],
    ['--max-connections', '0', '1 to 10000000'],
    ['--idle-timeout', '60s', '1 to 86400'],
  ])('refuses %s %s', async (flag, value, range) => {
    expect(await run(flag, value)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `sandgate: ${flag}: must be a number from ${range}, got "${value}" [SETTINGS_INVALID]\n`,
    });
  });
});
