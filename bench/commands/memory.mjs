// The memory of a gate with many hot policies: fills the embedded store, sends the gate a check for each policy through
// its own socket, and reads its resident memory.
// usage: npm run bench -- memory [--policies 10000,100000 --json]
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import { encodeCheckRequest } from '../../dist/check/check-request.js';
import { hostEnvironment } from '../../dist/cli/host-environment.js';
import { readSettings } from '../../dist/config.js';
import { parsePut } from '../../dist/policy/put.js';
import { openStore, policyRules } from '../../dist/policy-access.js';
import { SERVE } from '../stack/gates.mjs';

const { values } = parseArgs({
  options: {
    policies: { type: 'string', default: '10000,100000' },
    json: { type: 'boolean', default: false },
  },
});
const BATCH = 1000;
/** Checks open at once: as many as keep the gate busy. */
const AT_ONCE = 64;
/** @param {number} n */
const idOf = (n) => `i${n.toString(36).padStart(19, '0')}`;

const raw = (/** @type {Buffer} */ bytes) => bytes;

const figures = [];
for (const count of values.policies.split(',').map(Number)) figures.push(await measure(count));
if (values.json) console.log(JSON.stringify(figures, null, 2));
else {
  for (const { policies, startedMiB, hotMiB, settledMiB } of figures) {
    console.log(
      `${policies} hot policies: ${hotMiB} MiB resident, ${settledMiB} after 30,000 more checks (${startedMiB} at start)`,
    );
  }
}

/** @param {number} count */
async function measure(count) {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-memory-'));
  try {
    const tokens = await fill(stateDir, count);
    const socket = join(stateDir, 'gate.sock');
    // No policy is loaded twice during the measurement.
    const flags = [
      '--sandbox-cidrs=10.0.0.0/8',
      '--ops=127.0.0.1:0',
      '--drain=0',
      '--policy-api=off',
      '--log-level=error',
    ];
    const times = ['--cache-fresh=3600', '--cache-hard=3600'];
    const args = [`--state-dir=${stateDir}`, `--listen=unix:${socket}`, ...flags, ...times];
    const child = spawn(process.execPath, [...SERVE, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      await ready(child.stdout);
      const startedMiB = residentMiB(child.pid);
      const client = new Client(`unix:${socket}`, credentials.createInsecure());
      await askAll(client, count, (n) => n, tokens);
      const hotMiB = residentMiB(child.pid);
      await askAll(client, 30_000, () => Math.floor(Math.random() * count), tokens);
      const settledMiB = residentMiB(child.pid);
      client.close();
      return { policies: count, startedMiB, hotMiB, settledMiB };
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/**
 * One token and one address per sandbox, as a control plane writes them.
 * @param {string} stateDir @param {number} count
 */
async function fill(stateDir, count) {
  const flags = { stateDir, sandboxCidrs: '10.0.0.0/8' };
  const settings = readSettings('policy', flags, hostEnvironment());
  const rules = policyRules(settings);
  const store = await openStore(settings);
  const tokens = Array.from({ length: count }, () => randomBytes(32).toString('hex'));
  for (let from = 0; from < count; from += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, count - from) }, (_, n) => from + n);
    await store.write(
      ids.map((n) => {
        const sha256 = createHash('sha256')
          .update(tokens[n] ?? '')
          .digest('hex');
        const runtime = {
          incarnation: `e${n}`,
          route: { address: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}` },
        };
        return parsePut(
          { sandboxId: idOf(n), runtime, access: { tokens: [{ id: 'default', sha256 }] } },
          rules,
        );
      }),
    );
  }
  await store.close();
  return tokens;
}

/** @param {import('node:stream').Readable} stdout */
async function ready(stdout) {
  for await (const line of createInterface({ input: stdout })) if (line.startsWith('sandgate ready')) return;
  throw new Error('the gate did not start');
}

/**
 * @param {Client} client @param {number} count @param {(asked: number) => number} pick
 * @param {readonly string[]} tokens
 */
async function askAll(client, count, pick, tokens) {
  let asked = 0;
  const one = async () => {
    while (asked < count) {
      const n = pick(asked++);
      const answer = await check(client, idOf(n), tokens[n] ?? '');
      // An allow starts with an empty status; with any other answer the figures would be meaningless.
      if (answer[0] !== 0x0a || answer[1] !== 0) throw new Error(`${idOf(n)} was not allowed`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/**
 * @param {Client} client @param {string} id @param {string} token
 * @returns {Promise<Buffer>}
 */
function check(client, id, token) {
  const request = encodeCheckRequest({
    scheme: 'http',
    method: 'GET',
    host: `8080-${id}.e2b.localhost`,
    path: '/',
    headers: [['e2b-traffic-access-token', token]],
  });
  return new Promise((resolve, reject) => {
    const path = '/envoy.service.auth.v3.Authorization/Check';
    client.makeUnaryRequest(path, raw, raw, request, (error, answer) =>
      answer === undefined ? reject(error) : resolve(answer),
    );
  });
}

/** @param {number | undefined} pid */
function residentMiB(pid) {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}
