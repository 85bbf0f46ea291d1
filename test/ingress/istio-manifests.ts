import { parseAllDocuments, stringify } from 'yaml';
import type { Surroundings } from './ingress-fleet.ts';

const NAMESPACE = 'istio-ingress';
const NETWORKING = 'networking.istio.io/v1';
const GATES = 'sandgate.sandgate.svc.cluster.local';
const UPSTREAM_TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

const manifest = (kind: string, name: string, spec: object, apiVersion = NETWORKING) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
  spec,
});

/** A service whose addresses are written down, in place of one with pods. */
const serviceEntry = (name: string, host: string, port: object, endpoints: object[]) =>
  manifest('ServiceEntry', name, {
    hosts: [host],
    ports: [port],
    resolution: 'STATIC',
    location: 'MESH_EXTERNAL',
    endpoints,
  });

/**
 * What stands around the shipped manifests: the Gateway, the gates, and a route for each sandbox. Istio's agent, which is not
 * here, would hand Envoy the certificates; so Envoy gets them as files.
 */
export function surroundings({ port, gates, gateCa, client, routes }: Surroundings): string {
  const tls = {
    '@type': UPSTREAM_TLS,
    sni: GATES,
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_certificates: [
        { certificate_chain: { filename: client.certificate }, private_key: { filename: client.key } },
      ],
      validation_context: {
        trusted_ca: { filename: gateCa },
        match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: GATES } }],
      },
    },
  };
  const documents = [
    manifest('Gateway', 'sandboxes', {
      selector: { istio: 'sandbox-ingress' },
      servers: [{ port: { number: port, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    }),
    serviceEntry(
      'sandgate',
      GATES,
      { number: 9000, name: 'grpc', protocol: 'GRPC' },
      gates.map(({ host, port: at }) => ({ address: host, ports: { grpc: at } })),
    ),
    manifest(
      'EnvoyFilter',
      'gate-certificates',
      {
        configPatches: [
          {
            applyTo: 'CLUSTER',
            match: { context: 'GATEWAY', cluster: { service: GATES } },
            patch: {
              operation: 'MERGE',
              value: { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls } },
            },
          },
        ],
      },
      'networking.istio.io/v1alpha3',
    ),
    ...routes.flatMap(({ name, hosts, to }) => [
      serviceEntry(name, `${name}.sandboxes.internal`, { number: to.port, name: 'http', protocol: 'HTTP' }, [
        { address: to.host },
      ]),
      manifest('VirtualService', name, {
        hosts,
        gateways: ['sandboxes'],
        http: [
          { route: [{ destination: { host: `${name}.sandboxes.internal`, port: { number: to.port } } }] },
        ],
      }),
    ]),
  ];
  return documents.map((document) => stringify(document)).join('---\n');
}

/** The shipped manifests, without the TLS to the gates: see `surroundings`. */
export function standalone(shipped: string): string {
  const documents = parseAllDocuments(shipped).map((document) => document.toJS());
  const { trafficPolicy } = documents.find(({ kind }) => kind === 'DestinationRule').spec;
  if (trafficPolicy.tls?.credentialName !== 'sandgate-client')
    throw new Error('the DestinationRule has other TLS');
  delete trafficPolicy.tls;
  return documents.map((document) => stringify(document)).join('---\n');
}
