import { renderIngressSnippet } from '../../src/envoy/ingress/snippet.ts';
import { ENVOY_VERSION } from '../../src/envoy/wheel.ts';
import { compareWithBundled } from './comparison.ts';
import { DIFFERENCES } from './differences.ts';
import { startEnvoyGateway } from './envoy-gateway.ts';
import { standalone, surroundings } from './envoy-gateway-manifests.ts';

compareWithBundled({
  name: 'Envoy Gateway',
  differences: DIFFERENCES,
  start: async ({ folder, http, fleet: { gates, authority, client }, routes }) =>
    startEnvoyGateway({
      folder,
      manifests: {
        'around.yaml': surroundings({ port: http.port, gates, gateCa: authority.ca, client, routes }),
        'shipped.yaml': standalone(await renderIngressSnippet('envoy-gateway'), ENVOY_VERSION),
      },
    }),
});
