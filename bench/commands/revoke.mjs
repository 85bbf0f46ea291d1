// How soon a revoked token is refused, and whether a rotation loses a request: one Envoy, two gates, the embedded store.
// usage: npm run bench -- revoke [--trials 100 --rate 200 --overlap 5 --json]
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { HttpPolicyAdmin } from '../../dist/policy-api/client/http-client.js';
import { startLiveStack } from '../stack/live-stack.mjs';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '100' },
    rate: { type: 'string', default: '200' },
    overlap: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
/** @typedef {{ status: number, sentAt: number, doneAt: number }} Outcome Times from `performance.now()`. */

const stack = await startLiveStack((line) => console.error(line));
const agent = new Agent({ keepAlive: true });
try {
  const record = { sandboxId: 'bench', runtime: { route: { address: '127.0.0.1' } }, access: {} };
  await stack.sandgate(['policy', 'put', '-'], JSON.stringify(record));
  const figures = { revoke: await revocations(Number(values.trials)), rotate: await rotation() };
  report(figures);
  process.exitCode = figures.revoke.passedLate + figures.rotate.wrong > 0 ? 1 : 0;
} finally {
  agent.destroy();
  await stack.stop();
}

/**
 * In each trial, a valid token is revoked through the policy API while requests with it continue.
 * @param {number} trials
 */
async function revocations(trials) {
  const admin = new HttpPolicyAdmin({ at: { path: apiSocket() }, timeLimitMs: 10_000 });
  /** @type {number[]} */
  const first403 = [];
  let passedLate = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { token, info } = await admin.mintToken('bench', {});
    if ((await ask(token)).status !== 200) throw new Error('a token that was just minted was refused');
    const asking = askUntilRefused(token);
    const calledAt = performance.now();
    await admin.revokeToken('bench', info.id);
    const returnedAt = performance.now();
    const outcomes = await asking;
    first403.push(/** @type {Outcome} */ (outcomes.at(-1)).doneAt - calledAt);
    passedLate += outcomes.filter(({ status, sentAt }) => status === 200 && sentAt > returnedAt).length;
  }
  first403.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => first403[Math.min(trials - 1, Math.floor(trials * share))] ?? 0;
  // The bound that `token revoke` prints: the largest of the gates'.
  const bound = JSON.parse(
    await stack.sandgate([
      'token',
      'revoke',
      'bench',
      (await admin.mintToken('bench', {})).info.id,
      '--json',
    ]),
  ).refusedWithinSeconds;
  return { trials, p50Ms: at(0.5), p90Ms: at(0.9), maxMs: at(1), passedLate, boundSeconds: bound };
}

/** @param {string} token */
async function askUntilRefused(token) {
  /** @type {Outcome[]} */
  const outcomes = [];
  do outcomes.push(await ask(token));
  while (outcomes.at(-1)?.status === 200);
  return outcomes;
}

/** `token rotate` as a user runs it, under an open loop of requests with the old token, then with both. */
async function rotation() {
  const old = JSON.parse(await stack.sandgate(['token', 'mint', 'bench', '--json']));
  const oldLoad = openLoop(old.token);
  await pause(500);
  const args = ['token', 'rotate', 'bench', old.info.id, '--overlap', values.overlap, '--json'];
  const rotated = JSON.parse(await stack.sandgate(args));
  const newLoad = openLoop(rotated.token);
  const end = performance.now() + Date.parse(rotated.previous.expiresAt) - Date.now();
  await pause(end + 2000 - performance.now());
  const [olds, news] = [await oldLoad.stop(), await newLoad.stop()];
  const inside = olds.filter(({ doneAt }) => doneAt < end);
  const after = olds.filter(({ sentAt }) => sentAt > end);
  const between = olds.length - inside.length - after.length;
  const tallies = { oldInside: tally(inside), oldAfter: tally(after), new: tally(news) };
  const wrong =
    inside.filter(({ status }) => status !== 200).length +
    after.filter(({ status }) => status !== 403).length +
    olds.filter(({ status }) => status !== 200 && status !== 403).length +
    news.filter(({ status }) => status !== 200).length;
  return { rate: Number(values.rate), overlapSeconds: Number(values.overlap), ...tallies, between, wrong };
}

/** @param {string} token */
function openLoop(token) {
  /** @type {Promise<Outcome>[]} */
  const asked = [];
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * Number(values.rate)) / 1000;
    while (asked.length < due) asked.push(ask(token));
  }, 5);
  return {
    stop() {
      clearInterval(timer);
      return Promise.all(asked);
    },
  };
}

/** @param {string} token @returns {Promise<Outcome>} Status 0: the connection broke. */
function ask(token) {
  const sentAt = performance.now();
  return new Promise((resolve) => {
    const end = (/** @type {number} */ status) => resolve({ status, sentAt, doneAt: performance.now() });
    const headers = {
      host: `${stack.sandboxPort}-bench.e2b.localhost`,
      'e2b-traffic-access-token': token,
    };
    request({ agent, host: '127.0.0.1', port: stack.port, headers, setHost: false }, (response) => {
      response.resume().on('error', () => end(0));
      response.on('end', () => end(response.statusCode ?? 0));
    })
      .on('error', () => end(0))
      .end();
  });
}

/** The policy API of one of the gates, from its run file. */
function apiSocket() {
  const folder = join(stack.dir, 'run');
  const runs = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const admin = runs.map((run) => run.policyApi).find((at) => at?.startsWith('unix:'));
  return admin.slice('unix:'.length);
}

/** @param {Outcome[]} outcomes */
function tally(outcomes) {
  /** @type {Record<number, number>} */
  const counts = {};
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** @param {{ revoke: Awaited<ReturnType<typeof revocations>>, rotate: Awaited<ReturnType<typeof rotation>> }} figures */
function report(figures) {
  if (values.json) return console.log(JSON.stringify(figures, null, 2));
  const { revoke, rotate } = figures;
  const ms = (/** @type {number} */ time) => `${time.toFixed(1)} ms`;
  console.log(
    `revoke, ${revoke.trials} trials: first 403 after p50 ${ms(revoke.p50Ms)}, p90 ${ms(revoke.p90Ms)}, ` +
      `max ${ms(revoke.maxMs)} (printed bound ${revoke.boundSeconds} s); ` +
      `${revoke.passedLate} requests passed that were sent after the answer`,
  );
  const shown = (/** @type {object} */ counts) => JSON.stringify(counts);
  console.log(
    `rotate, overlap ${rotate.overlapSeconds} s, ${rotate.rate}/s a token: old inside ${shown(rotate.oldInside)}, ` +
      `old after ${shown(rotate.oldAfter)}, new ${shown(rotate.new)}; ` +
      `${rotate.between} under way as it ended, ${rotate.wrong} wrong`,
  );
}
