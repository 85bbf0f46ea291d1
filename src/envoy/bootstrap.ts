import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import type { Address, Endpoint } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { makeFolder, replaceFiles } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Capacity } from './capacity.ts';
import { addControlPlane, type ControlPlane } from './control-plane.ts';
import { type GateTls, gateTransportSocket } from './gate-tls.ts';
import { type CertificateFiles, sdsSecret, secretFiles } from './secrets.ts';
import { socket } from './socket-address.ts';
import { addStatsListener } from './stats-listener.ts';
import { expectProxyProtocol, trustHops } from './trusted-hops.ts';

/** The settings that differ between Envoys; everything else comes from `envoy/envoy.yaml`. */
export interface BootstrapSettings {
  /** Addresses of the plain listener; none if empty. Port 0 is any free port. */
  http: readonly Address[];
  /** Addresses of the TLS listener; none if empty. */
  https: readonly Address[];
  /** PEM files that Envoy reads; required if `https` is not empty. */
  tls?: CertificateFiles;
  /** One endpoint per gate process. */
  gates: readonly Endpoint[];
  /** TLS to gates on TCP addresses; plaintext if absent. */
  gateTls?: GateTls;
  /**
   * Folder of the files that `secretFiles` returns, as Envoy sees it: renewed certificates then apply without a restart.
   * If absent, Envoy reads certificates only when it starts.
   */
  secretsIn?: string;
  admin: { path: string };
  /** Address that serves `/stats/prometheus` and `/ready` of the admin interface, and nothing else of it; none if absent. */
  stats?: Endpoint;
  /** How much Envoy may hold; as in the bundled config if absent. */
  capacity?: Capacity;
  /** How long a client's connection may be idle, in seconds; as in the bundled config if absent. */
  idleTimeoutSeconds?: number;
  /** The one host that bypasses the gate; none if absent. */
  controlPlane?: ControlPlane;
  /** Number of proxies in front of Envoy whose `x-forwarded-for` and `x-forwarded-proto` are true. Default 0. */
  trustedHops?: number;
  /** Whether each connection starts with the PROXY protocol, which names the client. Default false. */
  proxyProtocol?: boolean;
}

/** The text of `envoy/envoy.yaml`, the one source of the bundled config. */
export function loadBundledConfig(): Promise<string> {
  return readFile(`${PACKAGE_ROOT}envoy/envoy.yaml`, 'utf8');
}

/** Sets the addresses in the bundled config and keeps its comments. */
export function renderBootstrap(source: string, settings: BootstrapSettings): string {
  const document = parseDocument(source);
  document.setIn(['admin', 'address', 'pipe', 'path'], settings.admin.path);

  const listeners = document.getIn(['static_resources', 'listeners']) as YAMLSeq<YAMLMap>;
  const [http, https] = listeners.items as [YAMLMap, YAMLMap];
  listenOn(document, http, settings.http);
  listenOn(document, https, settings.https);
  if (settings.capacity) setCapacity(document, settings.capacity);
  if (settings.idleTimeoutSeconds !== undefined) {
    const options = ['filter_chains', 0, 'filters', 0, 'typed_config', 'common_http_protocol_options'];
    http.setIn([...options, 'idle_timeout'], `${settings.idleTimeoutSeconds}s`);
  }
  if (settings.controlPlane) addControlPlane(document, http, settings.controlPlane);
  // The TLS listener refers to the same filters.
  if (settings.trustedHops) {
    const manager = http.getIn(['filter_chains', 0, 'filters', 0, 'typed_config']) as YAMLMap;
    trustHops(document, manager, settings.trustedHops);
  }
  if (settings.proxyProtocol) for (const listener of [http, https]) expectProxyProtocol(document, listener);
  if (settings.tls) setCertificate(document, https, settings.tls, settings.secretsIn);
  const off = (listener: YAMLMap, addresses: readonly Address[]) =>
    addresses.length === 0 ? [listener] : [];
  // The TLS listener's filters are an alias of the plain one's, so the definition must move before the listener goes.
  if (settings.http.length === 0) {
    const filters = http.getIn(['filter_chains', 0, 'filters'], true);
    https.setIn(['filter_chains', 0, 'filters'], filters);
  }
  const gone = [...off(http, settings.http), ...off(https, settings.https)];
  listeners.items = listeners.items.filter((listener) => !gone.includes(listener));

  const gate = cluster(document, 'gate');
  const endpoints = settings.gates.map((at) => ({ endpoint: { address: socket(at) } }));
  gate.setIn(['load_assignment', 'endpoints', 0, 'lb_endpoints'], document.createNode(endpoints));
  if (settings.gateTls) {
    gate.set(
      'transport_socket',
      document.createNode(gateTransportSocket(settings.gateTls, settings.secretsIn)),
    );
  }
  if (settings.stats) addStatsListener(document, settings.stats, settings.admin);
  // Envoy refuses to read secrets without a name of its own; nothing else uses it.
  if (settings.secretsIn !== undefined && (settings.tls || settings.gateTls)) {
    const node = document.createPair('node', { id: 'sandgate', cluster: 'sandgate' });
    (document.contents as YAMLMap).items.unshift(node);
  }
  return document.toString({ lineWidth: 0, indentSeq: false });
}

/**
 * Writes the config and the secrets that belong to it into `folder`, which `settings.secretsIn` names as Envoy sees it.
 * Envoy may be reading them: each file is replaced as a whole. Returns the names of the files. Throws STATE_UNUSABLE.
 */
export async function writeConfigFolder(
  folder: string,
  settings: BootstrapSettings & { secretsIn: string },
  mode: number,
): Promise<string[]> {
  const config = renderBootstrap(await loadBundledConfig(), settings);
  const files = { ...secretFiles(settings.tls, settings.gateTls), 'envoy.yaml': config };
  try {
    makeFolder(folder);
    replaceFiles(Object.entries(files).map(([name, text]) => ({ path: join(folder, name), text, mode })));
  } catch (cause) {
    throw new SandgateError('STATE_UNUSABLE', `cannot write to ${folder}: ${(cause as Error).message}`, {
      remedy: 'name a folder that is writable and has room',
      cause,
    });
  }
  return Object.keys(files);
}

function setCertificate(
  document: Document,
  https: YAMLMap,
  { certificate, key }: CertificateFiles,
  secretsIn: string | undefined,
): void {
  const tls = https.getIn([
    'filter_chains',
    0,
    'transport_socket',
    'typed_config',
    'common_tls_context',
  ]) as YAMLMap;
  if (secretsIn !== undefined) {
    tls.delete('tls_certificates');
    const secrets = [sdsSecret(secretsIn, 'ingress')];
    tls.set('tls_certificate_sds_secret_configs', document.createNode(secrets));
    return;
  }
  tls.setIn(['tls_certificates', 0, 'certificate_chain', 'filename'], certificate);
  tls.setIn(['tls_certificates', 0, 'private_key', 'filename'], key);
}

function listenOn(document: Document, listener: YAMLMap, [first, ...more]: readonly Address[]): void {
  if (first === undefined) return;
  listener.set('address', document.createNode(socket(first)));
  if (more.length === 0) return;
  listener.set('additional_addresses', document.createNode(more.map((at) => ({ address: socket(at) }))));
}

function setCapacity(document: Document, { maxHeapBytes, maxConnections }: Capacity): void {
  const monitor = (n: number, field: string) => [
    'overload_manager',
    'resource_monitors',
    n,
    'typed_config',
    field,
  ];
  document.setIn(monitor(0, 'max_heap_size_bytes'), maxHeapBytes);
  document.setIn(monitor(1, 'max_active_downstream_connections'), maxConnections);
}

function cluster(document: Document, name: string): YAMLMap {
  const clusters = document.getIn(['static_resources', 'clusters']) as YAMLSeq<YAMLMap>;
  return clusters.items.find((item) => item.get('name') === name)!;
}
