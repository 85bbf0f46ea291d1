import { readFileSync } from 'node:fs';
import { parseAllDocuments, stringify } from 'yaml';
import type { Address } from '../../src/address.ts';
import type { Surroundings } from './ingress-fleet.ts';

/** One of the manifests; only what is read of it has a type. */
interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of several kinds
  spec?: any;
}

const NAMESPACE = 'sandgate';
const GATEWAY_API = 'gateway.networking.k8s.io/v1';
const ENVOY_GATEWAY_API = 'gateway.envoyproxy.io/v1alpha1';
const BACKEND = { group: 'gateway.envoyproxy.io', kind: 'Backend' };

const manifest = (apiVersion: string, kind: string, name: string, rest: object) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
  ...rest,
});

/**
 * What stands around the shipped manifests: the Gateway that they are attached to, the certificates that they name, the
 * gates, and a route for each sandbox.
 */
export function surroundings({ port, gates, gateCa, client, routes }: Surroundings): string {
  const base64 = (file: string) => readFileSync(file).toString('base64');
  const endpoints = (at: readonly Address[]) =>
    at.map(({ host, port: to }) => ({ ip: { address: host, port: to } }));
  const documents = [
    manifest(GATEWAY_API, 'GatewayClass', 'sandboxes', {
      spec: {
        controllerName: 'gateway.envoyproxy.io/gatewayclass-controller',
        parametersRef: { group: BACKEND.group, kind: 'EnvoyProxy', name: 'sandboxes', namespace: NAMESPACE },
      },
    }),
    manifest(GATEWAY_API, 'Gateway', 'sandboxes', {
      spec: { gatewayClassName: 'sandboxes', listeners: [{ name: 'https', protocol: 'HTTP', port }] },
    }),
    manifest('v1', 'ConfigMap', 'sandgate-gate-ca', { data: { 'ca.crt': readFileSync(gateCa, 'utf8') } }),
    manifest('v1', 'Secret', 'sandgate-client', {
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(client.certificate), 'tls.key': base64(client.key) },
    }),
    manifest(ENVOY_GATEWAY_API, 'Backend', 'sandgate', {
      spec: { appProtocols: ['gateway.envoyproxy.io/h2c'], endpoints: endpoints(gates) },
    }),
    ...routes.flatMap(({ name, hosts, to }) => [
      manifest(ENVOY_GATEWAY_API, 'Backend', name, { spec: { endpoints: endpoints([to]) } }),
      manifest(GATEWAY_API, 'HTTPRoute', name, {
        spec: {
          parentRefs: [{ name: 'sandboxes' }],
          hostnames: hosts,
          rules: [{ backendRefs: [{ ...BACKEND, name }] }],
        },
      }),
    ]),
  ];
  return documents.map((document) => stringify(document)).join('---\n');
}

/**
 * The shipped manifests with the only changes that running without Kubernetes takes: the gates are a Backend and not a
 * Service, which the file provider does not load, and the Envoy is the one that is here.
 */
export function standalone(shipped: string, envoyVersion: string): string {
  const documents = parseAllDocuments(shipped).map((document) => document.toJS() as Manifest);
  const one = (kind: string) => documents.find((document) => document.kind === kind)!;
  const [gate] = one('SecurityPolicy').spec.extAuth.grpc.backendRefs;
  if (gate.name !== 'sandgate' || gate.port !== 9000) throw new Error('the SecurityPolicy names other gates');
  one('SecurityPolicy').spec.extAuth.grpc.backendRefs = [{ ...BACKEND, name: 'sandgate' }];
  const [service] = one('BackendTLSPolicy').spec.targetRefs;
  if (service.kind !== 'Service') throw new Error('the BackendTLSPolicy is not for a Service');
  one('BackendTLSPolicy').spec.targetRefs = [{ ...BACKEND, name: 'sandgate' }];
  one('EnvoyProxy').spec.provider = { type: 'Host', host: { envoyVersion } };
  return documents.map((document) => stringify(document)).join('---\n');
}
