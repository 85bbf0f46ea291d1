import { readFileSync } from 'node:fs';
import { renderIngressSnippet } from '../../src/envoy/ingress/snippet.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { compareWithBundled } from './comparison.ts';
import { DIFFERENCES, NORMALIZED_PATH } from './differences.ts';
import { startIstio } from './istio.ts';
import { standalone, surroundings } from './istio-manifests.ts';

compareWithBundled({
  name: 'Istio',
  differences: [...DIFFERENCES, NORMALIZED_PATH],
  start: async ({ folder, http, fleet: { gates, authority, client }, routes }) => {
    const around = surroundings({ port: http.port, gates, gateCa: authority.ca, client, routes });
    return startIstio({
      folder,
      http,
      manifests: `${around}---\n${standalone(await renderIngressSnippet('istio'))}`,
      meshConfig: readFileSync(`${PACKAGE_ROOT}deploy/istio/mesh-config.yaml`, 'utf8'),
    });
  },
});
