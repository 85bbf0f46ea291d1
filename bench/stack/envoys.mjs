import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { findEnvoy } from '../../dist/envoy/binary.js';
import { loadBundledConfig, renderBootstrap } from '../../dist/envoy/bootstrap.js';
import { startEnvoy } from '../../dist/envoy/process.js';
import { pin } from './pinning.mjs';
import { root } from './workspace.mjs';

/**
 * @typedef {import('yaml').Document} Config
 * @typedef {import('../../dist/envoy/process.js').EnvoyProcess & { port: number, adminSocket: string }} Envoy
 * @typedef {{ version: string, start(name: string, options: { gates?: string[], edit?: (config: Config) => void, core?: number, config?: string }): Promise<Envoy> }} Envoys
 */

/** Starts Envoys with the bundled config, or with `config`, each with its own edits to it. @param {import('./workspace.mjs').Workspace} workspace @returns {Promise<Envoys>} */
export async function envoysIn({ dir, undo }) {
  const { path: binary, version } = await findEnvoy({
    named: process.env.SANDGATE_ENVOY,
    searchPath: process.env.PATH ?? '',
    cacheDir: join(root, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: (line) => console.error(line),
  });
  const source = await loadBundledConfig();
  return {
    version,
    async start(name, { gates = [], edit = () => {}, core, config: text = source }) {
      const folder = join(dir, name);
      mkdirSync(folder, { recursive: true });
      const adminSocket = join(folder, 'admin.sock');
      const bundled = renderBootstrap(text, {
        http: [{ host: '127.0.0.1', port: 0 }],
        https: [],
        gates: (gates.length > 0 ? gates : [join(folder, 'none.sock')]).map((path) => ({ path })),
        admin: { path: adminSocket },
      });
      const config = parseDocument(bundled);
      edit(config);
      const configFile = join(folder, 'envoy.yaml');
      writeFileSync(configFile, String(config));
      const files = { log: join(folder, 'envoy.log'), accessLog: join(folder, 'access.log') };
      const started = await startEnvoy({ binary, configFile, adminSocket, concurrency: 1, ...files });
      undo(() => started.stop(2000));
      pin(started.pid, core);
      return { ...started, adminSocket, port: started.addresses.http[0]?.port ?? 0 };
    },
  };
}
