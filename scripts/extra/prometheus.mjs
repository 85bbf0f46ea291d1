// The real Prometheus against a real gate: `npm run test:extra -- prometheus`. Checks the rules and the config of deploy/, runs the
// tests of the rules, and lets Prometheus scrape a gate until every metric exists. Exits 1 and lists what is missing.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { prepare, root, say } from '../prepare.mjs';

const DEPLOY = join(root, 'deploy', 'prometheus');
const WITHIN_MS = 60_000;

await prepare();
const { METRICS } = await import('../../dist/observe/metric-catalogue.js');
const folder = mkdtempSync(join(tmpdir(), 'sandgate-prometheus-'));
/** @type {(() => unknown)[]} */
const undo = [() => rmSync(folder, { recursive: true, force: true })];
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => void cleanUp().then(() => process.exit(130)));
}
try {
  promtool('check', 'rules', 'sandgate.rules.yml');
  promtool('check', 'config', 'prometheus.yml');
  promtool('test', 'rules', 'sandgate.rules.test.yml');
  await scrapeGate();
  say('Prometheus: all checks passed');
} catch (error) {
  say(`Prometheus: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function cleanUp() {
  for (const step of undo.splice(0).reverse()) await step();
}

/** @param {string[]} args */
function promtool(...args) {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { cwd: DEPLOY, encoding: 'utf8' });
  if (error) throw missing('promtool', error);
  process.stderr.write(stdout + stderr);
  if (status !== 0) throw new Error(`\`promtool ${args.join(' ')}\` failed`);
}

/** @param {string} program @param {Error} error */
function missing(program, error) {
  return new Error(
    `cannot run ${program} (${error.message}). Debian and Ubuntu: apt-get install prometheus. Elsewhere: put prometheus and promtool on PATH`,
  );
}

async function scrapeGate() {
  const policies = join(folder, 'policies');
  mkdirSync(policies);
  const serve = ['serve', '--store=files', `--policy-dir=${policies}`, `--state-dir=${folder}`];
  const listen = [`--listen=unix:${join(folder, 'check', 'gate.sock')}`, '--ops=127.0.0.1:0'];
  const gate = start(process.execPath, [
    join(root, 'bin', 'sandgate.js'),
    ...serve,
    ...listen,
    '--sandbox-cidrs=127.0.0.0/8',
    '--log-level=warn',
  ]);
  const ops = await said(gate, /^sandgate ready: .* ops on http:\/\/(\S+)/);
  say(`gate at http://${ops}/metrics`);

  const config = parse(readFileSync(join(DEPLOY, 'prometheus.yml'), 'utf8'));
  config.global = { scrape_interval: '1s', evaluation_interval: '1s' };
  config.rule_files = config.rule_files.map((/** @type {string} */ file) => join(DEPLOY, file));
  config.scrape_configs[0].static_configs = [{ targets: [ops] }];
  const configFile = join(folder, 'prometheus.yml');
  writeFileSync(configFile, stringify(config));
  const prometheus = start('prometheus', [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
  ]);
  const web = await said(prometheus, /msg="Listening on".* address=(127\.0\.0\.1:\d+)/);
  say(`Prometheus at http://${web}`);
  await watch(`http://${web}/api/v1`);
}

/** @param {string} api */
async function watch(api) {
  const names = Object.values(METRICS).map(({ name, type }) =>
    type === 'histogram' ? `${name}_bucket` : name,
  );
  const { groups } = parse(readFileSync(join(DEPLOY, 'sandgate.rules.yml'), 'utf8'));
  const alerts = groups.flatMap((/** @type {any} */ { rules }) => rules).length;
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    const wrong = [];
    const up = await ask(`${api}/query?query=${encodeURIComponent('up{job="sandgate"}')}`);
    if (up?.result?.[0]?.value[1] !== '1') wrong.push('the gate is not up');
    const seen = await ask(
      `${api}/query?query=${encodeURIComponent('count by (__name__) ({job="sandgate"})')}`,
    );
    const found = new Set((seen?.result ?? []).map((/** @type {any} */ { metric }) => metric.__name__));
    const absent = names.filter((name) => !found.has(name));
    if (absent.length > 0) wrong.push(`not scraped: ${absent.join(', ')}`);
    const loaded = ((await ask(`${api}/rules`))?.groups ?? []).flatMap(
      (/** @type {any} */ group) => group.rules,
    );
    const evaluated = loaded.filter((/** @type {any} */ { health }) => health === 'ok');
    if (evaluated.length !== alerts) wrong.push(`${evaluated.length} of ${alerts} alert rules are evaluated`);
    const active = loaded.filter((/** @type {any} */ { state }) => state !== 'inactive');
    if (active.length > 0)
      wrong.push(`alerts: ${active.map((/** @type {any} */ { name }) => name).join(', ')}`);
    if (wrong.length === 0) {
      say(
        `up 1; ${found.size} metrics, all ${names.length} of the catalogue; ${alerts} alert rules, none active`,
      );
      return;
    }
    if (performance.now() > until) throw new Error(wrong.join('; '));
    await pause(250);
  }
}

/**
 * The data of one answer, or undefined if there is none yet.
 * @param {string} url
 * @returns {Promise<any>}
 */
async function ask(url) {
  try {
    const answer = await fetch(url);
    return /** @type {any} */ (await answer.json()).data;
  } catch {
    return undefined;
  }
}

/** @param {string} program @param {string[]} args */
function start(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  undo.push(() => {
    child.kill('SIGKILL');
    return ended;
  });
  return { program, child, ended };
}

/**
 * The capture group of the first line that matches; throws with the last lines if the program exits first.
 * @param {ReturnType<typeof start>} started
 * @param {RegExp} pattern
 * @returns {Promise<string>}
 */
function said({ program, child, ended }, pattern) {
  /** @type {string[]} */
  const lines = [];
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        const word = pattern.exec(line)?.[1];
        if (word !== undefined) resolve(word);
      });
    }
    ended.then((how) =>
      reject(
        how instanceof Error
          ? missing(program, how)
          : new Error(`${program} exited: ${lines.slice(-3).join('\n')}`),
      ),
    );
  });
}
