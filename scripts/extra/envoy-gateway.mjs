import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root, run, say } from '../prepare.mjs';

// A real Envoy Gateway with exactly the manifests that Sandgate ships, in front of real gates, compared answer by answer with
// the bundled config. It runs without Kubernetes: manifests from files, Envoy on this machine.

const VERSION = 'v1.9.1';

await prepare();
process.env.ENVOY_GATEWAY ||= await installed();
await run(process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/ingress/vitest.config.ts',
  'envoy-gateway',
  ...process.argv.slice(2),
]);

/** Path of the program, installed into `.cache` on the first call. */
async function installed() {
  const folder = join(root, '.cache', `envoy-gateway-${VERSION}`);
  const program = join(folder, 'envoy-gateway');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  say(`building Envoy Gateway ${VERSION} (2 to 20 minutes); ENVOY_GATEWAY=<path> uses another one`);
  process.env.GOBIN = folder;
  process.env.GOFLAGS = '-buildvcs=false';
  await run('go', ['install', `github.com/envoyproxy/gateway/cmd/envoy-gateway@${VERSION}`]);
  return program;
}
