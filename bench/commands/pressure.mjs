// One client against the memory of a small Envoy, in every way of bench/attack/kinds.mjs: what new clients and probes get
// meanwhile, and how soon the memory is back.
// usage: npm run bench -- pressure [--heap 256 --only idle-http2 --seconds 25 --against DIR --json]
import { fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseDocument } from 'yaml';
import { ensureCertificates } from '../../dist/dev/certificates/certificates.js';
import { findEnvoy } from '../../dist/envoy/binary.js';
import { startEnvoy } from '../../dist/envoy/process.js';
import { KINDS } from '../attack/kinds.mjs';
import { askAsNewcomer, askPath } from '../attack/newcomer.mjs';
import { addressOf } from '../client/mixes.mjs';
import { gateFlags, SERVE, startProgram } from '../stack/gates.mjs';
import { TOKEN, writePolicies } from '../stack/policies.mjs';
import { residentMb } from '../stack/processor-time.mjs';
import { inWorkspace, root } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    heap: { type: 'string', default: '256' },
    only: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '25' },
    connections: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '200' },
    against: { type: 'string', default: root },
    json: { type: 'boolean', default: false },
  },
});
const HEAP_BYTES = Number(values.heap) * 1_048_576;
const SECONDS = Number(values.seconds);
const NEWCOMERS_PER_SECOND = 4;
/** Above this, the bundled config has cut all times that it can. */
const FULL_PERCENT = 70;
const FILL_WITHIN_MS = 30_000;
/** A new client must be answered, and memory must be back, within these times. */
const ANSWER_WITHIN_MS = 1000;
const BACK_WITHIN_MS = 30_000;

const { renderBootstrap } = await import(join(values.against, 'dist', 'envoy', 'bootstrap.js'));
const source = readFileSync(join(values.against, 'envoy', 'envoy.yaml'), 'utf8');
const kinds = values.only.length > 0 ? values.only : ['nothing', ...Object.keys(KINDS)];
const rows = [];
for (const kind of kinds) {
  const row = await inWorkspace((workspace) => measure(kind, workspace));
  rows.push(row);
  if (!values.json) console.log(lineOf(row));
}
if (values.json) console.log(JSON.stringify({ heapMiB: Number(values.heap), rows }, null, 2));

/** @param {string} kind @param {import('../stack/workspace.mjs').Workspace} workspace */
async function measure(kind, { dir, undo }) {
  const { envoy, target, stats, adminSocket } = await startTarget(dir, undo);
  const memory = async () => ({ ...(await heapOf(adminSocket)), residentMb: residentMb(envoy.pid) });
  await pause(1000);
  const calm = await memory();
  const attacker =
    kind === 'nothing'
      ? undefined
      : fork(
          join(root, 'bench', 'attack', 'main.mjs'),
          [kind, values.connections, values.rate, JSON.stringify(target)],
          {
            stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
          },
        );
  let counts = { held: 0, opened: 0, closed: 0 };
  let mostHeld = 0;
  attacker?.on('message', (/** @type {typeof counts} */ told) => {
    counts = told;
    mostHeld = Math.max(mostHeld, told.held);
  });
  undo(() => attacker?.kill('SIGKILL'));

  const answers = [];
  const probes = [];
  const peak = { ...calm };
  // The attack may fill the heap first.
  const began = performance.now();
  while (attacker && performance.now() - began < FILL_WITHIN_MS && (await memory()).percent < FULL_PERCENT)
    await pause(100);
  const started = performance.now();
  for (let n = 0; n < SECONDS * NEWCOMERS_PER_SECOND; n++) {
    await pause(Math.max(0, started + (n * 1000) / NEWCOMERS_PER_SECOND - performance.now()));
    answers.push(askAsNewcomer(target.https, target.quick, n % 2 ? 'h2' : 'http/1.1', ANSWER_WITHIN_MS * 5));
    probes.push(askPath(stats, '/ready', ANSWER_WITHIN_MS));
    const now = await memory();
    peak.percent = Math.max(peak.percent, now.percent);
    peak.allocatedMb = Math.max(peak.allocatedMb, now.allocatedMb);
    peak.residentMb = Math.max(peak.residentMb, now.residentMb);
  }
  const answered = await Promise.all(answers);
  const probed = await Promise.all(probes);
  const good = answered.filter(({ status, ms }) => status === 200 && ms <= ANSWER_WITHIN_MS);
  /** @type {Map<number, number>} */
  const byStatus = new Map();
  for (const { status } of answered) byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
  const statuses = [...byStatus].map(([status, count]) => `${status}: ${count}`);

  const ended = performance.now();
  if (attacker) {
    const exited = new Promise((resolve) => attacker.once('exit', resolve));
    attacker.kill('SIGKILL');
    await exited;
  }
  // Back: no more than a tenth of what the attack added.
  const isBack = async () => {
    const { allocatedMb } = await memory();
    return allocatedMb <= calm.allocatedMb + Math.max(2, (peak.allocatedMb - calm.allocatedMb) / 10);
  };
  let backMs;
  while (performance.now() - ended < BACK_WITHIN_MS) {
    if (await isBack()) {
      backMs = performance.now() - ended;
      break;
    }
    await pause(100);
  }
  await pause(1000);
  return {
    kind,
    tries: answered.length,
    good: good.length,
    statuses: statuses.join(', '),
    slowestMs: Math.round(Math.max(...answered.map(({ ms }) => ms))),
    probes: probed.length,
    ready: probed.filter(({ status }) => status === 200).length,
    mostHeld,
    opened: counts.opened,
    closedByEnvoy: counts.closed,
    refused: await refusedBy(adminSocket),
    calm,
    peak,
    backSeconds: backMs === undefined ? undefined : Math.round(backMs / 100) / 10,
    after: await memory(),
  };
}

/** @param {Awaited<ReturnType<typeof measure>>} row */
function lineOf(row) {
  const back = row.backSeconds === undefined ? 'not back' : `back in ${row.backSeconds} s`;
  const of = (/** @type {typeof row.calm} */ { percent, allocatedMb, residentMb }) =>
    `${percent} %, ${Math.round(allocatedMb)} MB, resident ${Math.round(residentMb)} MB`;
  return [
    row.kind.padEnd(17),
    `${row.good}/${row.tries} new clients within 1 s (${row.statuses}; slowest ${row.slowestMs} ms)`,
    `${row.refused} requests refused for lack of memory`,
    `${row.ready}/${row.probes} probes`,
    `held ${row.mostHeld}, opened ${row.opened}, closed ${row.closedByEnvoy}`,
    `heap at most ${of(row.peak)}; ${back}: ${of(row.after)}`,
  ].join(' · ');
}

/** @param {string} dir @param {(step: () => unknown) => void} undo */
async function startTarget(dir, undo) {
  const sandboxes = fork(join(root, 'bench', 'attack', 'sandboxes.mjs'), [addressOf('s', 0)]);
  undo(() => sandboxes.kill('SIGKILL'));
  const ports = await new Promise((resolve) => sandboxes.once('message', resolve));
  const gateSocket = join(dir, 'check', 'gate.sock');
  const adminSocket = join(dir, 'admin.sock');
  const stats = join(dir, 'stats.sock');
  await writePolicies(join(dir, 'state'), 's', 1);
  const gate = await startProgram(
    [...SERVE, ...gateFlags(join(dir, 'state'), gateSocket)],
    join(dir, 'gate.log'),
    undefined,
  );
  undo(gate.kill);
  const tls = await ensureCertificates(join(dir, 'tls'), ['e2b.localhost'], Date.now, () => {});
  const anyPort = [{ host: '127.0.0.1', port: 0 }];
  const config = parseDocument(
    renderBootstrap(source, {
      http: anyPort,
      https: anyPort,
      tls,
      gates: [{ path: gateSocket }],
      admin: { path: adminSocket },
      stats: { path: stats },
      capacity: { maxHeapBytes: HEAP_BYTES, maxConnections: HEAP_BYTES / 8192 },
    }),
  );
  config.setIn(
    ['overload_manager', 'resource_monitors', 0, 'typed_config', 'max_heap_size_bytes'],
    HEAP_BYTES,
  );
  const configFile = join(dir, 'envoy.yaml');
  writeFileSync(configFile, String(config));
  const { path: binary } = await findEnvoy({
    named: process.env.SANDGATE_ENVOY,
    searchPath: process.env.PATH ?? '',
    cacheDir: join(root, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: (line) => console.error(line),
  });
  const files = { log: join(dir, 'envoy.log'), accessLog: join(dir, 'access.log') };
  const envoy = await startEnvoy({ binary, configFile, adminSocket, concurrency: 2, ...files });
  undo(() => envoy.stop(2000));
  await envoy.waitForGate(20_000);
  const entry = (/** @type {string} */ name) => ({ host: `${ports[name]}-s0.e2b.localhost`, token: TOKEN });
  const [http, https] = [envoy.addresses.http[0], envoy.addresses.https[0]];
  if (http === undefined || https === undefined) throw new Error('Envoy does not listen');
  const target = {
    http,
    https,
    quick: entry('quick'),
    silent: entry('silent'),
    firehose: entry('firehose'),
    socket: entry('socket'),
  };
  return { envoy, target, stats, adminSocket };
}

/** What Envoy has allocated, and how much of its heap is in use: the latter includes its allocator's caches. @param {string} adminSocket */
async function heapOf(adminSocket) {
  const path = '/stats?filter=fixed_heap.pressure|server.memory_allocated';
  const { body } = await askPath(adminSocket, path, 5000);
  const value = (/** @type {string} */ name) =>
    Number(new RegExp(`${name}: (\\d+)`).exec(body)?.[1] ?? Number.NaN);
  return { percent: value('pressure'), allocatedMb: value('memory_allocated') / 1e6 };
}

/** Requests of anyone that Envoy refused because its heap was full; a slow gate refuses for other reasons. @param {string} adminSocket */
async function refusedBy(adminSocket) {
  const { body } = await askPath(
    adminSocket,
    '/stats?filter=^http.ingress.downstream_rq_overload_close$',
    5000,
  );
  return Number(body.split(': ')[1] ?? Number.NaN);
}
