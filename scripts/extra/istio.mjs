import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root, run, say } from '../prepare.mjs';

// Istio's own translation of the manifests that Sandgate ships, served to a real Envoy in front of real gates, and compared
// answer by answer with the bundled config. It runs without Kubernetes, as Istio's own tests do: test/ingress/istiod.go.

/** Istio 1.31, before its release; the released modules are not available from the Go module proxy. */
const VERSION = 'v0.0.0-20260827124520-eed52ebb66ad';

await prepare();
process.env.ISTIOD ||= await built();
await run(process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/ingress/vitest.config.ts',
  'istio',
  ...process.argv.slice(2),
]);

/** Path of the program, built in `.cache` on the first call. */
async function built() {
  const folder = join(root, '.cache', `istiod-${VERSION}`);
  const program = join(folder, 'istiod');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'test', 'ingress', 'istiod.go'), join(folder, 'main.go'));
  writeFileSync(join(folder, 'go.mod'), `module istiod\n\ngo 1.26.0\n\nrequire istio.io/istio ${VERSION}\n`);
  say('building Istio (3 to 15 minutes); ISTIOD=<path> uses another program');
  process.env.GOFLAGS = '-mod=mod';
  await run('go', ['build', '-C', folder, '-o', program, '.']);
  return program;
}
