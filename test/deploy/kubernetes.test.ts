import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { secretFiles } from '../../src/envoy/secrets.ts';
import { SECRETS, SETTINGS } from '../../src/settings.ts';

interface Container {
  name: string;
  image: string;
  restartPolicy?: string;
  env?: { name: string; value: string }[];
  ports: { name: string; containerPort: number }[];
  resources: { requests: object; limits: { memory: string } };
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } } | undefined;
}

const folder = new URL('../../deploy/kubernetes/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const kustomization = parse(read('kustomization.yaml'));
// biome-ignore lint/suspicious/noExplicitAny: manifests, each read where its kind is known
const objects: any[] = [...kustomization.resources, 'sandboxes/network-policy.yaml'].flatMap((name: string) =>
  parseAllDocuments(read(name)).map((document) => document.toJS()),
);
const one = (kind: string, name = 'sandgate') =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);
const deployment = one('Deployment').spec;
const pod = deployment.template.spec;
const gates: Container[] = pod.initContainers;
const envoy: Container = pod.containers[0];
const all = [...gates, envoy];
const labels: Record<string, string> = deployment.template.metadata.labels;

describe('the manifests of deploy/kubernetes', () => {
  it('are these', () => {
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Namespace sandgate',
      'Deployment sandgate',
      'PersistentVolumeClaim sandgate',
      'PodDisruptionBudget sandgate',
      'Service sandgate',
      'Service sandgate-policy',
      'NetworkPolicy sandgate',
      'NetworkPolicy only-by-the-door',
    ]);
  });

  it('select the pods of the deployment', () => {
    const selectors = [
      deployment.selector.matchLabels,
      one('PodDisruptionBudget').spec.selector.matchLabels,
      one('Service').spec.selector,
      one('Service', 'sandgate-policy').spec.selector,
      one('NetworkPolicy').spec.podSelector.matchLabels,
      one('NetworkPolicy', 'only-by-the-door').spec.ingress[0].from[0].podSelector.matchLabels,
    ];
    for (const selector of selectors) expect(labels).toMatchObject(selector);
  });

  it('pin every image', () => {
    for (const { image } of all) {
      const pin = kustomization.images.find(({ name }: { name: string }) => name === image);
      expect(pin?.newTag, image).toMatch(/\d+\.\d+\.\d+$/);
    }
  });

  it.each(all)('$name: probes on its own ports, limited memory, no capabilities', (container) => {
    const ports = container.ports.map(({ name }) => name);
    const probes = Object.entries(container).filter(([key]) => key.endsWith('Probe'));
    expect(probes.length).toBeGreaterThanOrEqual(2);
    for (const [, probe] of probes)
      expect(ports).toContain((probe as { httpGet: { port: string } }).httpGet.port);
    expect(container.resources.limits.memory).toMatch(/Mi$/);
    expect(container.securityContext).toMatchObject({
      runAsUser: expect.any(Number),
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.securityContext.runAsUser).not.toBe(0);
  });

  it.each(gates)('$name is a sidecar, alive by /healthz and ready by /readyz', (gate) => {
    expect(gate.restartPolicy).toBe('Always');
    expect(gate.livenessProbe?.httpGet.path).toBe('/healthz');
    expect(gate.readinessProbe?.httpGet.path).toBe('/readyz');
    expect(gate.startupProbe?.httpGet.path).toBe('/readyz');
  });

  it('set only settings that exist', () => {
    const known = [...SETTINGS, ...SECRETS].map(({ env }) => env);
    const literals: string[] = kustomization.configMapGenerator[1].literals;
    const set = [
      ...literals.map((line) => line.split('=')[0]!),
      ...gates.flatMap(({ env = [] }) => env.map(({ name }) => name)),
    ];
    for (const name of set) expect(known).toContain(name);
  });

  it('mount only volumes that exist, and the sockets read-only in Envoy', () => {
    const volumes = pod.volumes.map(({ name }: { name: string }) => name);
    for (const { volumeMounts } of all) for (const { name } of volumeMounts) expect(volumes).toContain(name);
    const sockets = (container: Container) => container.volumeMounts.find(({ name }) => name === 'sockets');
    expect(sockets(envoy)?.readOnly).toBe(true);
    // A folder in the volume that the gate creates and owns; the volume itself belongs to root.
    for (const { env = [] } of gates) {
      const listen = env.find(({ name }) => name === 'SANDGATE_LISTEN')?.value;
      expect(listen).toMatch(/^unix:\/run\/sandgate\/check\/gate-\d\.sock$/);
    }
    expect(pod.securityContext.fsGroup).toBe(envoy.securityContext.runAsGroup);
  });

  it('lead services and network policies to ports that listen', () => {
    const ports = all.flatMap((container) => container.ports.map(({ containerPort }) => containerPort));
    const led = [one('Service'), one('Service', 'sandgate-policy')].flatMap(({ spec }) => spec.ports);
    for (const { targetPort } of led) expect(ports).toContain(targetPort);
    const rules: { from?: object[]; ports: { port: number }[] }[] = one('NetworkPolicy').spec.ingress;
    for (const rule of rules) for (const { port } of rule.ports) expect(ports).toContain(port);
    // Every client may reach the ingress; every other port only the named clients.
    expect(rules.filter(({ from }) => !from).map((rule) => rule.ports)).toEqual([[{ port: 8443 }]]);
    expect(rules.flatMap((rule) => rule.ports.map(({ port }) => port)).sort()).toEqual(ports.sort());
  });

  it('let only Envoy reach sandboxes', () => {
    const { podSelector, policyTypes, ingress } = one('NetworkPolicy', 'only-by-the-door').spec;
    expect({ podSelector, policyTypes }).toEqual({ podSelector: {}, policyTypes: ['Ingress'] });
    expect(ingress).toHaveLength(1);
    expect(ingress[0].from).toHaveLength(1);
  });
});

describe('the Envoy config of deploy/kubernetes', () => {
  const tls = { certificate: '/etc/envoy-tls/tls.crt', key: '/etc/envoy-tls/tls.key' };
  const mountOf = (name: string) => envoy.volumeMounts.find((mount) => mount.name === name)?.mountPath;
  const secrets = secretFiles(tls, undefined);

  it('is the bundled config with the addresses of the pod (`vitest -u` writes it)', async () => {
    const rendered = renderBootstrap(await loadBundledConfig(), {
      http: [],
      https: [{ host: '0.0.0.0', port: 8443 }],
      tls,
      gates: [0, 1].map((n) => ({ path: `/run/sandgate/check/gate-${n}.sock` })),
      secretsIn: mountOf('envoy')!,
      admin: { path: '/run/envoy/admin.sock' },
      stats: { host: '0.0.0.0', port: 9901 },
    });
    const files = { 'envoy.yaml': rendered, ...secrets };
    for (const [name, text] of Object.entries(files))
      await expect(text).toMatchFileSnapshot(fileURLToPath(new URL(name, folder)));
    expect(kustomization.configMapGenerator[0].files).toEqual(Object.keys(files));
  });

  it('watches the folder in which the kubelet replaces the certificate', () => {
    const { tls_certificate } = parse(secrets['sds-ingress.yaml']!).resources[0];
    expect(tls_certificate.watched_directory).toEqual({ path: mountOf('tls') });
    expect(envoy.volumeMounts.find(({ name }) => name === 'tls')).not.toHaveProperty('subPath');
  });
});
