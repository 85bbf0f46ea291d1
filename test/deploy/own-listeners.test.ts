import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { envoySettings } from '../../deploy/docker/set-up.mjs';
import { type Address, formatAddress, ownListenerTest, parseAddress } from '../../src/address.ts';
import { readSettings } from '../../src/config.ts';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

/** What shares one network namespace: a pod, or the services of a compose file that use the network of `pod`. */
interface Neighbors {
  /** Everything that listens there on TCP, as far as the file says. */
  listeners: Address[];
  /** The environment of each gate. */
  gates: Record<string, string>[];
}

const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'];
/** With the default of each compose variable. */
const read = (path: string) =>
  readFileSync(join(PACKAGE_ROOT, path), 'utf8').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');
// biome-ignore lint/suspicious/noExplicitAny: manifests, each read where its kind is known
const documentsOf = (path: string): any[] =>
  parseAllDocuments(read(path), { merge: true }).map((document) => document.toJS() ?? {});

/** Every YAML file of this repository. */
const files = readdirSync(PACKAGE_ROOT, { withFileTypes: true }).flatMap((entry) => {
  if (entry.name.startsWith('.') || ['node_modules', 'dist'].includes(entry.name)) return [];
  if (!entry.isDirectory()) return [entry.name];
  const below = readdirSync(join(PACKAGE_ROOT, entry.name), { recursive: true, encoding: 'utf8' });
  return below.map((name) => join(entry.name, name));
});
const yaml = files.filter((name) => /\.ya?ml$/.test(name) && !name.includes('node_modules'));
const manifests = yaml.filter((path) => documentsOf(path).some(({ kind }) => WORKLOADS.includes(kind)));
const composeFiles = yaml.filter((path) => documentsOf(path).some(({ services }) => services));

/** `host:port` in a value; a unix socket and `off` are none. */
function addressIn(value: unknown): Address[] {
  try {
    return [parseAddress(String(value))];
  } catch {
    return [];
  }
}

const anywhere = (port: number): Address => ({ host: '0.0.0.0', port });
/** The settings of a gate that name an address on which it listens. */
const boundBy = (env: Record<string, string>) =>
  ['SANDGATE_LISTEN', 'SANDGATE_OPS', 'SANDGATE_POLICY_API'].flatMap((name) => addressIn(env[name]));

/** The addresses on which an Envoy with this config listens. */
function listenersOf(config: string): Address[] {
  const { static_resources, admin } = parse(config, { merge: true, maxAliasCount: -1 });
  const sockets = static_resources.listeners.flatMap(
    (listener: { address: unknown; additional_addresses?: { address: unknown }[] }) => [
      listener.address,
      ...(listener.additional_addresses ?? []).map(({ address }) => address),
    ],
  );
  // An internal listener has no address.
  return [...sockets, admin.address].flatMap((address) => {
    const at = address?.socket_address;
    return at ? [{ host: at.address, port: at.port_value }] : [];
  });
}

/** What an image listens on without being told. One that is not listed here fails the test. */
const BY_IMAGE: Readonly<Record<string, string[]>> = {
  'sandgate/gate': [],
  'sandgate/sandbox-host': [],
  'envoyproxy/envoy': [],
  'prom/prometheus': ['0.0.0.0:9090'],
  'grafana/k6': ['127.0.0.1:6565'],
};

async function neighborsInCompose(path: string): Promise<Neighbors> {
  const { services } = documentsOf(path)[0];
  // biome-ignore lint/suspicious/noExplicitAny: services of a compose file
  const inside = Object.entries<any>(services).filter(
    ([name, { network_mode }]) => name === 'pod' || network_mode === 'service:pod',
  );
  const listeners = inside.flatMap(([name, { image, command = [], ports = [], environment = {} }]) => {
    const [, bare = ''] = /^([\w/-]+)/.exec(image) ?? [];
    const opened = BY_IMAGE[bare];
    if (opened === undefined) throw new Error(`${name}: which ports does ${bare} open?`);
    const flags = [command].flat().flatMap((flag) => {
      const [, flagName, value] = /^--([\w-]+)=(.*)$/.exec(flag) ?? [];
      return flagName === 'node-proxy-port' ? addressIn(`127.0.0.1:${value}`) : addressIn(value);
    });
    const published = ports.map((port: string) => anywhere(Number(port.split(':').at(-1))));
    return [...opened.map(parseAddress), ...flags, ...published, ...boundBy(environment)];
  });
  const gates = inside.flatMap(([, { environment = {} }]) =>
    'SANDGATE_OPS' in environment ? [environment] : [],
  );
  const config = renderBootstrap(await loadBundledConfig(), envoySettings(['e2b.localhost']));
  return { listeners: [...listeners, ...listenersOf(config)], gates };
}

function neighborsInManifests(path: string): Neighbors {
  const folder = dirname(path);
  const beside = yaml.filter((other) => dirname(other) === folder);
  const objects = beside.flatMap(documentsOf);
  const literals: string[] = objects.flatMap(({ configMapGenerator = [] }) =>
    configMapGenerator.flatMap((one: { literals?: string[] }) => one.literals ?? []),
  );
  const shared = Object.fromEntries(literals.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  const containers = objects.flatMap(({ kind, spec }) =>
    WORKLOADS.includes(kind)
      ? [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers]
      : [],
  );
  const envOf = ({ env = [] }: { env?: { name: string; value: string }[] }) => ({
    ...shared,
    ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
  });
  const gates = containers.filter(({ image }) => image === 'sandgate/gate').map(envOf);
  const ports: number[] = [
    ...containers.flatMap(({ ports: named = [] }) =>
      named.map((one: { containerPort: number }) => one.containerPort),
    ),
    ...objects
      .filter(({ kind }) => kind === 'Service')
      .flatMap(({ spec }) => spec.ports.map((one: { targetPort: number }) => one.targetPort)),
    ...objects
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .flatMap(({ spec }) =>
        spec.ingress.flatMap((rule: { ports?: { port: number }[] }) =>
          (rule.ports ?? []).map(({ port }) => port),
        ),
      ),
  ];
  const config = join(folder, 'envoy.yaml');
  const envoys = existsSync(join(PACKAGE_ROOT, config)) ? listenersOf(read(config)) : [];
  return { listeners: [...ports.map(anywhere), ...gates.flatMap(boundBy), ...envoys], gates };
}

const ofThisMachine = Object.values(networkInterfaces()).flatMap((all) =>
  (all ?? []).map(({ address }) => address),
);

/** Where `gate` would let a direct route lead to one of the listeners. */
function reachable(env: Record<string, string>, listeners: readonly Address[]): string[] {
  const settings = readSettings('serve', {}, { baseDir: '/srv', ipv6Loopback: true }, env);
  const own = ownListenerTest(settings.ownListeners);
  const nodeProxy = ownListenerTest(settings.nodeProxies);
  return listeners.flatMap(({ host, port }) => {
    const addresses =
      host === '0.0.0.0' || host === '::' ? ['127.0.0.1', '127.0.0.9', '::1', ...ofThisMachine] : [host];
    return addresses
      .filter((address) => !own(address, port) && !nodeProxy(address, port))
      .map((address) => formatAddress({ host: address, port }));
  });
}

describe('the own listeners of every gate that this repository deploys', () => {
  const places: [string, () => Promise<Neighbors>][] = [
    ...manifests.map((path): [string, () => Promise<Neighbors>] => [
      path,
      async () => neighborsInManifests(path),
    ]),
    ...composeFiles.map((path): [string, () => Promise<Neighbors>] => [path, () => neighborsInCompose(path)]),
  ];

  it('are checked in these files', () => {
    expect(places.map(([path]) => path)).toEqual(['deploy/kubernetes/deployment.yaml', 'docker-compose.yml']);
  });

  it.each(places)('%s: hold each port that listens there, on every address', async (_path, find) => {
    const { listeners, gates } = await find();
    expect(gates).toHaveLength(2);
    for (const gate of gates) expect(reachable(gate, listeners)).toEqual([]);
  });

  it.each(places)('%s: if one were missing, this test would fail', async (_path, find) => {
    const { listeners, gates } = await find();
    for (const gate of gates) {
      for (const name of ['SANDGATE_OWN_LISTENERS', 'SANDGATE_NODE_PROXIES']) {
        const all = gate[name]?.split(',') ?? [];
        for (const address of all) {
          const rest = all.filter((one) => one !== address).join(',');
          expect(reachable({ ...gate, [name]: rest }, listeners), address).not.toEqual([]);
        }
      }
    }
  });
});
