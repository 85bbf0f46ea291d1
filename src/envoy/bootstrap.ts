import { readFile } from 'node:fs/promises';
import { type Document, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import type { Address, Endpoint } from '../address.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { addControlPlane, type ControlPlane } from './control-plane.ts';
import { type GateTls, gateTransportSocket } from './gate-tls.ts';
import { socket } from './socket-address.ts';

/** The settings that differ between Envoys; everything else comes from `envoy/envoy.yaml`. */
export interface BootstrapSettings {
  /** Addresses of the plain listener; none if empty. Port 0 is any free port. */
  http: readonly Address[];
  /** Addresses of the TLS listener; none if empty. */
  https: readonly Address[];
  /** PEM files that Envoy reads; required if `https` is not empty. */
  tls?: { certificate: string; key: string };
  /** One endpoint per gate process. */
  gates: readonly Endpoint[];
  /** TLS to gates on TCP addresses; plaintext if absent. */
  gateTls?: GateTls;
  admin: { path: string };
  /** Address that serves `/stats/prometheus` and `/ready` of the admin interface, and nothing else of it; none if absent. */
  stats?: Endpoint;
  /** The one host that bypasses the gate; none if absent. */
  controlPlane?: ControlPlane;
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
  if (settings.controlPlane) addControlPlane(document, http, settings.controlPlane);
  const common = [
    'filter_chains',
    0,
    'transport_socket',
    'typed_config',
    'common_tls_context',
    'tls_certificates',
    0,
  ];
  if (settings.tls) {
    https.setIn([...common, 'certificate_chain', 'filename'], settings.tls.certificate);
    https.setIn([...common, 'private_key', 'filename'], settings.tls.key);
  }
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
    gate.set('transport_socket', document.createNode(gateTransportSocket(settings.gateTls)));
  }
  if (settings.stats) addStatsListener(document, settings.stats, settings.admin);
  return document.toString({ lineWidth: 0, indentSeq: false });
}

function listenOn(document: Document, listener: YAMLMap, [first, ...more]: readonly Address[]): void {
  if (first === undefined) return;
  listener.set('address', document.createNode(socket(first)));
  if (more.length === 0) return;
  listener.set('additional_addresses', document.createNode(more.map((at) => ({ address: socket(at) }))));
}

function cluster(document: Document, name: string): YAMLMap {
  const clusters = document.getIn(['static_resources', 'clusters']) as YAMLSeq<YAMLMap>;
  return clusters.items.find((item) => item.get('name') === name)!;
}

const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

/** The paths for Prometheus and probes. The rest of the admin interface could stop Envoy. */
const EXPOSED_PATHS = ['/stats/prometheus', '/ready'];

/** Prometheus and probes need a port, but the admin interface must stay on its socket: only these paths are served. */
function addStatsListener(document: Document, at: Endpoint, admin: { path: string }): void {
  const ingress = {
    stat_prefix: 'stats',
    route_config: {
      virtual_hosts: [
        {
          name: 'stats',
          domains: ['*'],
          routes: EXPOSED_PATHS.map((path) => ({ match: { path }, route: { cluster: 'admin' } })),
        },
      ],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
  };
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: { '@type': MANAGER, ...ingress },
  };
  const listener = { name: 'stats', address: socket(at), filter_chains: [{ filters: [filter] }] };
  document.addIn(['static_resources', 'listeners'], document.createNode(listener));
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(admin) } }] }];
  const cluster = {
    name: 'admin',
    type: 'STATIC',
    load_assignment: { cluster_name: 'admin', endpoints },
  };
  document.addIn(['static_resources', 'clusters'], document.createNode(cluster));
}
