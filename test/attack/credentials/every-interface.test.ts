import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import type { GateRun } from '../../../src/state/run-file.ts';
import { type ApiRequest, askAdmin } from '../../policy-api/client.ts';
import { ask, askHttp2 } from '../../stack/client.ts';
import { sandgate } from '../../stack/command.ts';
import type { GateProcess } from '../../stack/gate-process.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { digestOf, hostOf, restricted } from '../../stack/test-stack.ts';
import { askOnce, get } from '../raw-http1.ts';

const NAME = 'e2b-traffic-access-token';
const fresh = () => randomBytes(32).toString('hex');

/** A different token for each path, so that a leak shows its path. */
const secrets: Record<string, string> = {
  expired: fresh(),
  unknown: fresh(),
  misplaced: fresh(),
  inArgument: fresh(),
  policyApiKey: fresh(),
  wrongAdminKey: fresh(),
};
/** All output of the gate and the commands, except the one place where a minted token belongs. */
const outputs: string[] = [];
/** The command lines of every process seen meanwhile. */
const commandLines = new Set<string>();

let stack: ProcessStack;
let sandbox: Recorder;
let outside: string;
let overTcp: GateProcess;
let ops: string[];

beforeAll(async () => {
  outside = mkdtempSync(join(tmpdir(), 'sandgate-outside-'));
  writeFileSync(join(outside, 'key'), `${secrets.policyApiKey}\n`, { mode: 0o600 });
  // An uncaught exception, while the process holds the keys and has seen every token.
  const crash = "process.on('SIGUSR2', () => { throw new Error('on purpose'); });";
  writeFileSync(join(outside, 'crash.mjs'), crash);
  sandbox = await startRecorder();
  stack = await startProcessStack({
    gates: 0,
    sockets: 2,
    flags: { 'log-level': 'debug', 'log-allows': '1' },
  });
  await stack.startGate(0);
  const environment =
    'cd "$1" && SANDGATE_POLICY_API_KEYS=$(cat key) && NODE_OPTIONS=--import=$1/crash.mjs && export SANDGATE_POLICY_API_KEYS NODE_OPTIONS && shift && exec "$@"';
  overTcp = await stack.startGate(1, {
    flags: { 'policy-api': '127.0.0.1:0' },
    wrap: ['sh', '-c', environment, 'sh', outside],
  });
  await stack.waitForGates(2);
  const watch = setInterval(seeProcesses, 20);
  try {
    await provoke();
  } finally {
    clearInterval(watch);
  }
  await crashBoth();
  // Envoy buffers its access log, and writes all of it when it exits.
  await stack.envoy.stop(5000);
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await sandbox?.close();
  rmSync(outside, { recursive: true, force: true });
});

function seeProcesses(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      commandLines.add(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
    } catch {
      // The process has exited.
    }
  }
}

const adminOf = ({ pid }: GateProcess) =>
  (JSON.parse(readFileSync(join(stack.stateDir, 'run', `${pid}.json`), 'utf8')) as GateRun).policyApi!;

async function api(asked: ApiRequest, gate = stack.gates[0]!, key = secrets.policyApiKey) {
  const headers = gate === overTcp ? { authorization: `Bearer ${key}` } : {};
  return askAdmin(adminOf(gate), { ...asked, headers: { ...headers, ...asked.headers } });
}

/** The text of an answer or a command, without the one token that belongs there. */
function noteMinted(who: string, text: string): string {
  const [token] = /[0-9a-f]{64}/.exec(text) ?? [];
  secrets[who] = token!;
  outputs.push(text.replace(token!, ''));
  return token!;
}

async function command(args: string[], input?: string): Promise<string> {
  const { stdout, stderr } = await sandgate([...args, '--state-dir', stack.stateDir], { input });
  outputs.push(stderr);
  return stdout;
}

/** Runs inside this process, so that its arguments appear in no process list; the message is the same. */
async function mistaken(args: string[], input = ''): Promise<void> {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      outputs.push(String(chunk));
      done();
    },
  });
  const io = { stdin: Readable.from([Buffer.from(input)]), stdout: sink, stderr: sink };
  expect(await run([...args, '--state-dir', stack.stateDir], io)).toBeGreaterThan(0);
}

async function provoke(): Promise<void> {
  const expired = { id: 'old', sha256: digestOf(secrets.expired!), expiresAt: '2020-01-01T00:00:00Z' };
  await stack.put(restricted('sbx', { access: { tokens: [expired] } }), restricted('other'));

  const tokens = '/v1/policies/sbx/tokens';
  noteMinted(
    'mintedByApi',
    (await api({ method: 'POST', path: tokens, json: { id: 'a', label: 'x' } })).text,
  );
  noteMinted('mintedOverTcp', (await api({ method: 'POST', path: tokens, json: { id: 't' } }, overTcp)).text);
  noteMinted('mintedByCommand', await command(['token', 'mint', 'sbx', '--id', 'c', '--ttl', '2h']));
  noteMinted('mintedAsJson', await command(['token', 'mint', 'sbx', '--id', 'j', '--json']));
  noteMinted('toRevoke', (await api({ method: 'POST', path: tokens, json: { id: 'r' } })).text);
  const rotation = { method: 'POST', path: `${tokens}/a/rotate`, json: { overlapSeconds: 60 } };
  noteMinted('rotatedByApi', (await api(rotation)).text);
  noteMinted('rotatedByCommand', await command(['token', 'rotate', 'sbx', 'c', '--overlap', '0']));
  outputs.push((await api({ method: 'DELETE', path: `${tokens}/r` }, overTcp)).text);
  outputs.push(await command(['token', 'revoke', 'sbx', 't']));
  outputs.push(await command(['token', 'list', 'sbx']), await command(['token', 'list', 'sbx', '--json']));
  outputs.push((await api({ path: tokens })).text);

  for (const token of Object.values(secrets)) await present(token);
  await explainThem();
  await misplaceThem(secrets.misplaced!);
  for (const gate of stack.gates) {
    for (const path of ['/readyz', '/metrics', '/healthz']) {
      outputs.push(await (await fetch(`${gate.ops}${path}`)).text());
    }
  }
  ops = outputs.slice(-6);
}

/** Sends a token to Check through Envoy, in each place where people put one. */
async function present(token: string): Promise<void> {
  const host = hostOf(sandbox.port, 'sbx');
  const requests = [
    { host, headers: { [NAME]: token } },
    { host, path: `/?${NAME}=${token}` },
    { host, path: `/${token}` },
    { host, headers: { cookie: `${NAME}=${token}` } },
    { host, headers: { authorization: `Bearer ${token}`, traceparent: token } },
    { host, headers: { 'user-agent': token, 'x-request-id': token, 'x-envoy-external-address': token } },
    { host: hostOf(49983, 'sbx'), headers: { [NAME]: token }, path: `/init?t=${token}` },
    { host: `8000-${token}.e2b.localhost` },
    { host: 'localhost', headers: { 'e2b-sandbox-id': token, 'e2b-sandbox-port': token } },
  ];
  for (const [n, request] of requests.entries()) {
    outputs.push(JSON.stringify(await (n % 2 === 0 ? ask : askHttp2)(stack.http, request)));
  }
  const raw = [
    get(`me:${token}@${host}`),
    get(`${token}@${host}`),
    get(host, [`${NAME}: ${token}`, `${NAME}: x`]),
  ];
  for (const bytes of raw) outputs.push(await askOnce(stack.http, bytes));
}

async function explainThem(): Promise<void> {
  const url = `http://${hostOf(8080, 'sbx')}/`;
  for (const token of [secrets.rotatedByApi!, secrets.toRevoke!, secrets.expired!, secrets.unknown!]) {
    outputs.push(await command(['explain', url, '--token-stdin'], token));
    outputs.push(await command(['explain', `${url}?t=1`, '--token-stdin', '--json'], `${token}\n`));
  }
  // The caller exposed this token already and gets a message about it; it must get no further.
  outputs.push(await command(['explain', url, '-H', `${NAME}: ${secrets.inArgument}`]));
  await mistaken(['explain', url, '--token', secrets.misplaced!]);
  await mistaken(['explain', `http://u:${secrets.misplaced}@x/`]);
}

/** Tokens in fields, paths and options meant for something else. */
async function misplaceThem(token: string): Promise<void> {
  const tokens = '/v1/policies/sbx/tokens';
  const json = { 'content-type': 'application/json' };
  const requests: ApiRequest[] = [
    { method: 'POST', path: tokens, json: { id: token } },
    { method: 'POST', path: tokens, json: { label: `for ${token}` } },
    { method: 'POST', path: tokens, json: { token } },
    { method: 'POST', path: tokens, json: { [token]: 1 } },
    { method: 'POST', path: tokens, headers: json, raw: `{"t":"${token}"` },
    { method: 'DELETE', path: `${tokens}/${token}` },
    { method: 'POST', path: `${tokens}/${token}/rotate`, json: { overlapSeconds: 5, id: token } },
    { method: 'PUT', path: '/v1/policies/sbx/access', json: { tokens: [{ id: 'x', sha256: `${token}0` }] } },
    { method: 'PUT', path: '/v1/policies/sbx/access', json: { shadowUntil: token, maskRequestHost: token } },
    { method: 'PUT', path: '/v1/policies/sbx/runtime', json: { route: { address: token } } },
    { method: 'PUT', path: '/v1/policies/sbx', json: {}, headers: { 'if-match': token } },
    { path: `/v1/policies/${token}` },
    { path: `/v1/policies?idPrefix=${token}&${token}=1` },
    { path: `/v1/%zz${token}` },
    { headers: { host: token } },
  ];
  for (const asked of requests) {
    for (const gate of stack.gates) {
      const answer = await api(asked, gate);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      outputs.push(JSON.stringify(answer));
    }
  }
  for (const key of [token, secrets.wrongAdminKey!]) {
    const refused = await api({}, overTcp, key);
    expect(refused.status).toBe(401);
    outputs.push(JSON.stringify(refused));
  }
  await mistaken(['token', 'revoke', 'sbx', token]);
  await mistaken(['token', 'rotate', 'sbx', token, '--overlap', '0']);
  await mistaken(['token', 'mint', 'sbx', '--id', token]);
  await mistaken(['token', 'mint', 'sbx', '--label', token]);
  await mistaken(['token', 'mint', 'sbx', `--token=${token}`]);
  await mistaken(['token', 'mint', 'sbx', '--ttl', token]);
  await mistaken(['token', 'list', token]);
  await mistaken(['policy', 'get', token]);
  await mistaken(['policy', 'put', '-'], JSON.stringify({ sandboxId: 'sbx', access: { [token]: token } }));
  await mistaken(['policy', 'put', '-'], `{"a": "${token}`);
  await mistaken(
    ['policy', 'import', '-', '--no-verify'],
    `{"sandboxId": "${token}"}\n{"${token}": 1}\n${token}\n`,
  );
}

/** One crashes with an uncaught exception, one with a signal that dumps core if the system allows it. */
async function crashBoth(): Promise<void> {
  overTcp.signal('SIGUSR2');
  expect(await overTcp.exited).toBe(1);
  stack.gates[0]!.signal('SIGABRT');
  expect(await stack.gates[0]!.exited).toBe('SIGABRT');
}

function expectNoSecret(text: string, digests = true): void {
  for (const [who, secret] of Object.entries(secrets)) {
    expect(text.includes(secret), `the token "${who}"`).toBe(false);
    if (digests) expect(text.includes(digestOf(secret)), `the digest of "${who}"`).toBe(false);
  }
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

describe('A2: a token that was sent through every interface', () => {
  it('was minted, rotated, revoked, accepted, refused and explained', async () => {
    expect(Object.keys(secrets)).toHaveLength(13);
    expect(sandbox.arrivals.length).toBeGreaterThan(0);
    await vi.waitFor(() => {
      const logs = stack.gates.map((gate) => gate.log()).join('');
      for (const seen of ['"outcome":"allow"', '"token_id":"old"', 'on purpose'])
        expect(logs).toContain(seen);
    }, PATIENCE);
    expect(ops.join('')).toContain('sandgate_decisions_total');
    expect(stack.accessLog()).toContain('"sandbox":"sbx"');
    expect([...commandLines].some((line) => line.includes('--token-stdin'))).toBe(true);
  });

  it('is in no answer, message, metric or readiness', () => {
    expect(outputs.length).toBeGreaterThan(150);
    expectNoSecret(outputs.join('\n'), false);
  });

  it('is in no log of a gate, even one that crashes, nor of Envoy', () => {
    for (const gate of stack.gates) expectNoSecret(gate.log());
    expectNoSecret(stack.accessLog());
    expectNoSecret(readFileSync(join(stack.stateDir, 'envoy.log'), 'latin1'));
  });

  it('is in no file of the state folder; only the store has digests', () => {
    const files = filesIn(stack.stateDir);
    expect(files.some((file) => file.endsWith('policies.db'))).toBe(true);
    for (const file of files) {
      expectNoSecret(readFileSync(file, 'latin1'), !file.includes('policies.db'));
    }
  });

  it('is in no crash dump, because none is written: a diagnostic report would contain the environment and its keys', () => {
    expect(filesIn(outside).sort()).toEqual([join(outside, 'crash.mjs'), join(outside, 'key')]);
    for (const folder of [PACKAGE_ROOT, stack.stateDir]) {
      expect(readdirSync(folder).filter((name) => /^(report\.|core)/.test(name))).toEqual([]);
    }
  });

  it('is in no command line except the one to which it was passed', () => {
    const { inArgument, ...others } = secrets;
    for (const secret of Object.values(others)) {
      expect([...commandLines].filter((line) => line.includes(secret))).toEqual([]);
    }
    for (const line of commandLines) if (line.includes(inArgument!)) expect(line).toContain('explain');
    expect(outputs.join('')).toContain('every user of this machine can see a token in -H');
  });
});
