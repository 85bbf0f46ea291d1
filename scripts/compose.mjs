import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './prepare.mjs';

/**
 * Runs `docker compose` on the stack of docker-compose.yml; project and ports come from the environment, as compose reads
 * them. Returns its output; throws with its last lines.
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {'pipe' | 'inherit'} output
 */
export function compose(args, env = process.env, output = 'pipe') {
  return docker(['compose', ...args], env, output);
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {'pipe' | 'inherit'} output
 */
export function docker(args, env = process.env, output = 'pipe') {
  const out = output === 'inherit' ? 2 : 'pipe';
  const { error, status, stdout, stderr } = spawnSync('docker', args, {
    ...{ cwd: root, env, encoding: 'utf8' },
    stdio: ['ignore', out, output === 'inherit' ? 2 : 'pipe'],
  });
  if (error) {
    throw new Error(
      `cannot run docker (${error.message}): install Docker Engine with the compose plugin, 2.26 or newer`,
    );
  }
  if (status !== 0) {
    const words = (stderr ?? '').trim().split('\n').at(-1);
    throw new Error(`\`docker ${args.join(' ')}\` failed${words ? `: ${words}` : ''}`);
  }
  return stdout ?? '';
}

/**
 * The environment variables that E2B's SDKs need to reach the stack. Writes its CA and API key to `folder`.
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 */
export async function composeClient(folder, env = process.env) {
  const { environmentOf } = await import('../dist/dev/client-environment.js');
  const run = ['run', '--rm', '--no-deps', '-T'];
  const ca = compose([...run, '--entrypoint', 'cat', 'set-up', '/var/lib/sandgate-ca/ca.pem'], env);
  const key = compose(['exec', '-T', 'sandbox-host', 'cat', '/var/lib/sandgate-cloud/cloud/api-key'], env);
  mkdirSync(join(folder, 'cloud'), { recursive: true });
  chmodSync(folder, 0o700);
  writeFileSync(join(folder, 'cloud', 'api-key'), key, { mode: 0o600 });
  writeFileSync(join(folder, 'ca.pem'), ca);
  return environmentOf(folder, {
    domain: `${env.SANDGATE_DOMAIN || 'e2b.localhost'}:${env.SANDGATE_HTTPS_PORT || '8443'}`,
    ca: join(folder, 'ca.pem'),
    addresses: ['127.0.0.1'],
  });
}
