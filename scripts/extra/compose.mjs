// `npm run test:extra -- compose`: tests the stack of docker-compose.yml with Docker. Starts it as a separate project on free ports,
// runs the checks, stops it, and exits 1 if a check failed or something is left.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose, composeClient, docker } from '../compose.mjs';
import { prepare, say } from '../prepare.mjs';
import { CHECKS } from './compose-checks.mjs';

await prepare();
try {
  docker(['version', '--format', '{{.Server.Version}}']);
} catch (error) {
  say(`no Docker engine answers: ${words(error)}\nfix: start one, or set DOCKER_HOST`);
  process.exit(1);
}
const project = `sandgate-test-${process.pid}`;
const [https, http, prometheus, grafana] = await freePorts(4);
/** @type {NodeJS.ProcessEnv} */
const env = {
  ...process.env,
  COMPOSE_PROJECT_NAME: project,
  SANDGATE_HTTPS_PORT: https,
  SANDGATE_HTTP_PORT: http,
  PROMETHEUS_PORT: prometheus,
  GRAFANA_PORT: grafana,
};
const folder = mkdtempSync(join(tmpdir(), 'sandgate-compose-'));
/** @type {string[]} */
const wrong = [];
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    takeDown();
    process.exit(130);
  });
}
try {
  compose(['up', '--build', '--wait'], env, 'inherit');
  const client = await composeClient(folder, env);
  for (const [what, check] of Object.entries(CHECKS)) {
    const fault = await check({ env, client, project }).then(() => undefined, words);
    say(fault === undefined ? `ok: ${what}` : `FAILED: ${what}`);
    if (fault !== undefined) wrong.push(`${what}: ${fault}`);
  }
} catch (error) {
  wrong.push(words(error));
}
if (wrong.length > 0) compose(['logs', '--tail', '20'], env, 'inherit');
takeDown();
for (const line of wrong) say(line);
say(
  wrong.length === 0
    ? 'compose: all checks passed, nothing is left'
    : `compose: ${wrong.length} checks failed`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;

function takeDown() {
  rmSync(folder, { recursive: true, force: true });
  try {
    compose(['--profile', '*', 'down', '-v'], env, 'inherit');
    const ours = ['--quiet', '--filter', `label=com.docker.compose.project=${project}`];
    for (const kind of [
      ['ps', '--all'],
      ['volume', 'ls'],
      ['network', 'ls'],
    ]) {
      const left = docker([...kind, ...ours], env).trim();
      if (left !== '') wrong.push(`left by \`docker compose down -v\` (${kind[0]}): ${left}`);
    }
  } catch (error) {
    wrong.push(words(error));
  }
}

/** @param {number} count @returns {Promise<string[]>} */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = servers.map((server) => new Promise((resolve) => server.once('listening', resolve)));
  await Promise.all(ports);
  return servers.map((server) => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    server.close();
    return String(port);
  });
}

/** @param {unknown} error */
function words(error) {
  return error instanceof Error ? error.message : String(error);
}
