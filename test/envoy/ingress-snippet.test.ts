import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';
import { sandgateInside } from '../stack/command-inside.ts';

const NEVER = /failure_mode_allow|failOpen: true/;

// biome-ignore lint/suspicious/noExplicitAny: manifests of several kinds
async function documentsOf(ingress: string): Promise<any[]> {
  const { code, stdout } = await sandgateInside(['envoy', 'config', '--snippet', ingress]);
  expect(code).toBe(0);
  expect(stdout).not.toMatch(NEVER);
  return parseAllDocuments(stdout).map((document) => document.toJS({ maxAliasCount: 0 }));
}

const bundled = async () =>
  parse(await loadBundledConfig(), { maxAliasCount: -1 }).static_resources.listeners[0].filter_chains[0]
    .filters[0].typed_config;

/** A real Envoy Gateway and Istio's own translation run the output: `npm run test:extra -- envoy-gateway` and `-- istio`. */
describe.each(['envoy-gateway', 'istio'])('`envoy config --snippet %s`', (ingress) => {
  it('prints manifests that can be applied as they are', async () => {
    for (const document of await documentsOf(ingress)) {
      expect(document).toMatchObject({
        apiVersion: expect.stringContaining('/v1'),
        kind: expect.any(String),
        metadata: { name: expect.any(String), namespace: expect.any(String) },
      });
    }
  });

  it('has every text of the bundled config, and the closed port for hosts without a route', async () => {
    const patch = JSON.stringify((await documentsOf(ingress)).at(-1));
    const { mappers } = (await bundled()).local_reply_config;
    for (const mapper of mappers) expect(patch).toContain(JSON.stringify(mapper));
    const closed = (text: string) => text.split('"value":"port_closed"').length - 1;
    expect(closed(patch)).toBe(2 * closed(JSON.stringify(mappers)));
  });

  it('removes the headers that only Envoy and the gate may set', async () => {
    const text = JSON.stringify(await documentsOf(ingress));
    for (const name of ['x-envoy-', 'x-sandgate-', 'x-forwarded-', 'forwarded']) {
      expect(text).toMatch(new RegExp(`"(value|prefix|remove)":\\[?"${name}"`));
    }
  });
});

it('`envoy config --snippet istio` repeats refused connects, as the bundled routes do', async () => {
  const { configPatches } = (await documentsOf('istio')).at(-1).spec;
  const { route } = configPatches.find(({ applyTo }: { applyTo: string }) => applyTo === 'HTTP_ROUTE').patch
    .value;
  const connects = (await bundled()).route_config.virtual_hosts[0].routes[0].route;
  expect(route).toEqual({
    timeout: connects.timeout,
    idle_timeout: connects.idle_timeout,
    retry_policy: { ...connects.retry_policy, retry_on: 'connect-failure' },
  });
});

it('`envoy config --snippet` refuses the name of another ingress, and lists those that it knows', async () => {
  const { code, stderr } = await sandgateInside(['envoy', 'config', '--snippet', 'nginx']);
  expect(code).toBe(2);
  expect(stderr).toContain('envoy-gateway, istio');
});
