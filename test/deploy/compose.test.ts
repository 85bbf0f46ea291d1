import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { GATE_NODE_FLAGS } from '../../src/heap.ts';

interface Service {
  image: string;
  build?: { dockerfile: string; target: string; args: Record<string, string> };
  user: string;
  read_only: boolean;
  privileged?: boolean;
  cap_drop: string[];
  cap_add?: string[];
  security_opt: string[];
  profiles?: string[];
  restart: string;
  healthcheck?: unknown;
  network_mode?: string;
  environment?: Record<string, string>;
  command: string[];
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: (string | { type: string; source: string; read_only?: boolean; volume: { nocopy: boolean } })[];
}

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const file: {
  services: Record<string, Service>;
  volumes: Record<string, { driver_opts?: { type: string; o: string } } | null>;
} = parse(read('docker-compose.yml'), { merge: true });
const dockerfile = read('deploy/docker/Dockerfile');
const services = Object.entries(file.services);
const ours = services.filter(([, { image }]) => image.startsWith('sandgate/'));
const others = services.filter(([, { image }]) => !image.startsWith('sandgate/'));
const sourcesOf = ({ volumes = [] }: Service) =>
  volumes.map((one) => (typeof one === 'string' ? one.split(':')[0]! : one.source));

describe('docker-compose.yml', () => {
  it.each(services)('%s: read-only root, only the listed capabilities, not privileged', (name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.privileged).toBeUndefined();
    expect(service.cap_drop).toEqual(['ALL']);
    if (name === 'sandbox-host') return;
    expect(service.cap_add).toBeUndefined();
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
  });

  it('gives NET_ADMIN and SYS_ADMIN only to the sandbox host', () => {
    const holders = services.filter(([, { cap_add = [] }]) => cap_add.some((one) => one.endsWith('_ADMIN')));
    expect(holders.map(([name]) => name)).toEqual(['sandbox-host']);
  });

  it('publishes only on 127.0.0.1, each port through a variable', () => {
    const ports = services.flatMap(([, { ports: published = [] }]) => published);
    expect(ports).toHaveLength(4);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/);
  });

  it.each(others)('%s: an official image by tag, which a variable replaces', (_name, { image }) => {
    expect(image).toMatch(/^\$\{[A-Z0-9_]+:-[a-z0-9/]+:v?\d[\w.-]*\}$/);
  });

  it.each(ours)('%s is built here, or uses the image of another service', (_name, { image, build }) => {
    expect(dockerfile).toContain(`AS ${image.split(/[/:]/)[1]}\n`);
    if (build) expect(build.args.NODE_IMAGE).toMatch(/^\$\{NODE_IMAGE:-node:22-bookworm-slim\}$/);
    else
      expect(services.filter(([, one]) => one.image === image && one.build).map(([name]) => name)).toEqual([
        'pod',
      ]);
  });

  it('has a health check for every long-running service, here or in its image', () => {
    const staying = services.filter(([, { restart }]) => restart !== 'no');
    const byImage = new Set(['gate-0', 'gate-1', 'sandbox-host']);
    for (const [name, { healthcheck }] of staying)
      expect(Boolean(healthcheck), name).toBe(!byImage.has(name));
    expect(dockerfile.match(/^HEALTHCHECK /gm)).toHaveLength(2);
  });

  it('starts each service once what it needs is healthy, or done', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(file.services[needed], name).toBeDefined();
        if (name === 'set-up') continue;
        expect(condition).toBe(needed === 'set-up' ? 'service_completed_successfully' : 'service_healthy');
      }
    }
    expect(Object.keys(file.services.envoy!.depends_on!)).toEqual(
      expect.arrayContaining(['gate-0', 'gate-1', 'set-up']),
    );
  });

  it('does not start Grafana and k6 by default', () => {
    const optional = services.filter(([, { profiles }]) => profiles).map(([name]) => name);
    expect(optional).toEqual(['grafana', 'k6']);
  });

  it("lets only the gates write to the folder of Check's sockets, and only they enter that of the policy API", () => {
    expect(file.volumes.check?.driver_opts).toEqual({
      type: 'tmpfs',
      device: 'tmpfs',
      o: 'uid=1000,gid=101,mode=2750,size=1m',
    });
    expect(file.volumes['policy-api']?.driver_opts).toEqual({
      type: 'tmpfs',
      device: 'tmpfs',
      o: 'uid=1000,gid=1000,mode=0700,size=1m',
    });
    const users = (volume: string) =>
      services.filter(([, service]) => sourcesOf(service).includes(volume)).map(([name]) => name);
    expect(users('check')).toEqual(['gate-0', 'gate-1', 'envoy']);
    expect(users('policy-api')).toEqual(['gate-0', 'gate-1', 'sandbox-host']);
    expect(users('ca')).toEqual(['set-up']);
    expect(users('config')).toEqual(['set-up', 'envoy']);
    expect(users('cloud')).toEqual(['sandbox-host']);
    expect(users('node-proxy')).toEqual(['set-up', 'gate-0', 'gate-1', 'sandbox-host']);
  });

  it('declares every volume, and finds every file that it mounts', () => {
    for (const [name, service] of services) {
      for (const source of sourcesOf(service)) {
        if (!source.startsWith('./')) expect(file.volumes, name).toHaveProperty(source);
        else expect(existsSync(new URL(source, root)), source).toBe(true);
      }
    }
  });

  it('contains no secret', () => {
    expect(read('docker-compose.yml')).not.toMatch(/[0-9a-f]{32}|e2b_|PRIVATE KEY|password:/i);
  });
});

describe('the images', () => {
  it('are built from what .dockerignore names, and it names what they copy', () => {
    const named = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    expect(named).toEqual(
      expect.arrayContaining(['src', 'local-cloud', 'bin', 'proto', 'envoy', 'package-lock.json']),
    );
    for (const path of ['.git', '.cache', '.sandgate', 'node_modules', 'dist', 'test']) {
      expect(named).not.toContain(path);
    }
  });

  it('are made in stages, and a gate is not root', () => {
    expect(
      [...dockerfile.matchAll(/^FROM \W*(\w+)\W* AS (\S+)$/gm)].map(([, from, name]) => [from, name]),
    ).toEqual([
      ['NODE_IMAGE', 'build'],
      ['NODE_IMAGE', 'gate'],
      ['gate', 'sandbox-host'],
    ]);
    expect(dockerfile).toContain('\nUSER 1000:1000\n');
    expect(dockerfile).not.toMatch(/@sha256:|# syntax=/);
  });
});

it('Prometheus scrapes both gates and Envoy, and loads the rules', () => {
  const { rule_files, scrape_configs } = parse(read('deploy/docker/prometheus.yml'));
  expect(rule_files).toEqual(['sandgate.rules.yml']);
  expect(scrape_configs.map(({ job_name }: { job_name: string }) => job_name)).toEqual(['sandgate', 'envoy']);
});

it('Grafana finds the dashboard where docker-compose.yml mounts it, and Prometheus by name', () => {
  const [provider] = parse(read('deploy/docker/grafana/dashboards/sandgate.yml')).providers;
  expect(file.services.grafana!.volumes).toContain(`./deploy/grafana:${provider.options.path}:ro`);
  const [source] = parse(read('deploy/docker/grafana/datasources/prometheus.yml')).datasources;
  expect(source.url).toBe('http://pod:9090');
  expect(file.services.prometheus!.network_mode).toBe('service:pod');
});

describe('the image of a gate', () => {
  it('gives Node the flags that a gate is measured with', () => {
    const options = /NODE_OPTIONS=(\S+)/.exec(read('deploy/docker/Dockerfile'))?.[1];
    expect(options?.split(',')).toEqual([...GATE_NODE_FLAGS]);
  });
});
