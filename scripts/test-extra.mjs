import { choose } from './choose.mjs';

// `npm run test:extra -- NAME`: suites that need more time or more than a fresh machine has.

const name = choose({
  command: 'npm run test:extra',
  noun: 'suite',
  names: {
    anywhere:
      'both commands and the examples in every kind of folder, by every kind of user (needs root, Linux)',
    api: 'the policy API against its OpenAPI document: --seconds 300',
    compose: 'docker-compose.yml (needs a Docker engine)',
    'envoy-gateway':
      'the manifests for Envoy Gateway on a real one, compared with the bundled config (needs Go, or ENVOY_GATEWAY=<program>)',
    interrupt: 'npm test leaves nothing behind when it is interrupted: --times 20 (needs Linux)',
    istio:
      "the manifests for Istio, translated by Istio's own code, compared with the bundled config (needs Go)",
    long: 'npm test with the long forms of its tests',
    node: 'npm test on another Node: node 24',
    prometheus: 'rules and config of deploy/ on the real Prometheus',
    python: 'our uses of Python, on another one: python PATH (needs that Python, with pip)',
    servers: '1,000 GETs and POSTs to each of ten real servers: --requests 1000, --only uwsgi',
    sdk: "E2B's SDKs in every version that is listed",
    upgrade: 'from the last release and back, gate by gate, under load (needs the git history)',
  },
});
await import(`./extra/${name}.mjs`);
